#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws bench/results.svg from bench/results.json: one panel per benchmark, bars with the quartiles, numbers beside them."""
import html
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
WIDTH, LABEL, BAR_END, ROW, TITLE = 800, 290, 640, 24, 46
OURS, THEIRS, TEXT, FAINT = "#0b6e99", "#b8c4cc", "#1f2a30", "#6b7a83"


def text(x, y, content, size=12, fill=TEXT, weight="normal"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" fill="{fill}" font-weight="{weight}">'
            f"{html.escape(content)}</text>")


def panel(result, y):
    out = [text(16, y + 24, result["title"], 14, weight="bold")]
    y += TITLE - 8
    top = max(row[1]["high"] for row in result["rows"])
    for label, s, unit, digits in result["rows"]:
        length = max(2.0, (BAR_END - LABEL) * s["median"] / top)
        low, high = (LABEL + (BAR_END - LABEL) * s[k] / top for k in ("low", "high"))
        ours = label.startswith(("coracle", "10 ", "5000 "))
        out.append(text(16, y + 15, label))
        out.append(f'<rect x="{LABEL}" y="{y + 4}" width="{length:.1f}" height="14" rx="2" fill="{OURS if ours else THEIRS}"/>')
        out.append(f'<path d="M{low:.1f} {y + 11}H{high:.1f}M{low:.1f} {y + 8}v6M{high:.1f} {y + 8}v6" stroke="{TEXT}" fill="none"/>')
        out.append(text(max(LABEL + length, high) + 8, y + 15, f"{s['median']:.{digits}f}{unit}"))
        y += ROW
    notes = [f"{label}: {s['median']:.2f} (limit {limit:g})" for label, s, limit in result["targets"]]
    for first in range(0, len(notes), 2):
        out.append(text(16, y + 13, "; ".join(notes[first:first + 2]), 11, FAINT))
        y += 16
    return out, y + 12


def main():
    with open(os.path.join(HERE, "results.json"), encoding="utf-8") as f:
        data = json.load(f)
    body, y = [], 8
    for result in data["results"]:
        lines, y = panel(result, y)
        body += lines
    m = data["machine"]
    body.append(text(16, y + 14, f"{m['processor']}; Linux {m['kernel']}; {m['crun']}; median and quartiles; {m['date']}", 10, FAINT))
    y += 28
    with open(os.path.join(HERE, "results.svg"), "w", encoding="utf-8") as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" '
                'font-family="Helvetica, Arial, sans-serif" role="img" aria-label="Coracle\'s benchmarks">\n'
                f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>\n' + "\n".join(body) + "\n</svg>\n")


sys.exit(main())
