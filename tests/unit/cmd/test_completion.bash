#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test_completion.bash PROGRAM : the generated bash completions, driven as the shell drives them; the names they ask for
# come from a function in the program's place. Also: the manual names every command that help names.
set -u
program=$1
failed=0

# shellcheck disable=SC1090
source <("$program" completion bash) || exit 1
compopt() { :; }
coracle() {
	case "$*" in
	*'images list -q') printf '%s\n' docker.io/library/busybox:latest foo:1 ;;
	'--namespace x containers list -q') echo of-x ;;
	*'containers list -q') echo one two ;;
	*) return 1 ;;
	esac
}

expect() { # LINE WORDS
	COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
	COMPREPLY=()
	_coracle
	if [ "${COMPREPLY[*]}" != "$2" ]; then
		printf 'not ok [%s]: "%s", expected "%s"\n' "$1" "${COMPREPLY[*]}" "$2"
		failed=1
	fi
}

expect 'coracle im' 'images'
expect 'coracle compl' '' # hidden
expect 'coracle images t' 'tag'
expect 'coracle i ls --q' '--quiet'
expect 'coracle i rm ' 'docker.io/library/busybox:latest foo:1'
expect 'coracle i rm foo:' '1'
expect 'coracle --root /x --debug i rm d' 'docker.io/library/busybox:latest'
expect 'coracle c rm ' 'one two'
expect 'coracle --namespace x c rm ' 'of-x'
expect 'coracle snapshots --snapshotter ' 'overlayfs native'
expect 'coracle snapshots --snapshotter native l' 'list label'
expect 'coracle images import /etc/hostn' '/etc/hostname'

manual=$("$program" gendoc man)
for noun in images content snapshots; do
	for verb in $("$program" "$noun" | awk '/^COMMANDS:/ { on = 1; next } /^$/ { on = 0 } on && $1 !~ /^help/ { sub(",", "", $1); print $1 }'); do
		case $manual in
		*"coracle $noun $verb"*) ;;
		*) [ "$noun $verb" = "content prune" ] || {
			echo "not ok: $noun $verb is not in the manual"
			failed=1
		} ;;
		esac
	done
done
exit $failed
