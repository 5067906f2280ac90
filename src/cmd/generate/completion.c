/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shell completions. For each command the generated script holds what can follow it (subcommands, aliases, flags, the
 * kinds of flag values and of positionals); a small fixed driver walks the words typed so far. Names of images,
 * containers and so on are asked of the program itself, with the global flags that were typed.
 */
#include "cmd/generate/generate.h"
#include "cmd/options.h"

enum shell { BASH, ZSH };

struct script {
	FILE *out;
	enum shell shell;
};

/* Inside single quotes. */
static void quoted(FILE *out, const char *s)
{
	for (; *s; s++)
		if (*s == '\'')
			fputs("'\\''", out);
		else
			fputc(*s, out);
}

/* fn for the name and each alias of an option: "--config", "-c". */
static void option_words(FILE *out, const struct cor_option *o, const char *suffix)
{
	fprintf(out, "%s%s%s ", strlen(o->name) == 1 ? "-" : "--", o->name, suffix);
	for (const char *a = o->alias; a && *a;) {
		size_t n = strcspn(a, ",");
		fprintf(out, "%s%.*s%s ", n == 1 ? "-" : "--", (int)n, a, suffix);
		a += n + (a[n] == ',');
	}
}

static void alias_words(FILE *out, const struct cor_command *c)
{
	for (const char *a = c->aliases; a && *a;) {
		size_t n = strcspn(a, ",");
		fprintf(out, "%.*s=%s ", (int)n, a, c->name);
		a += n + (a[n] == ',');
	}
}

static void print_subcommands(const struct script *s, const struct cor_command *cmd)
{
	fputs(s->shell == ZSH ? "subs=(" : "subs='", s->out);
	for (const struct cor_command *const *c = cmd->subcommands; c && *c; c++) {
		if ((*c)->hidden)
			continue;
		if (s->shell == BASH) {
			fprintf(s->out, "%s ", (*c)->name);
			continue;
		}
		fprintf(s->out, "'%s:", (*c)->name);
		quoted(s->out, (*c)->usage);
		fputs("' ", s->out);
	}
	fputs(s->shell == ZSH ? ") " : "' ", s->out);
	fputs("aliases='", s->out);
	for (const struct cor_command *const *c = cmd->subcommands; c && *c; c++)
		if (!(*c)->hidden)
			alias_words(s->out, *c);
	fputs("' ", s->out);
}

static int print_command(const struct cor_command *cmd, const char *path, void *data)
{
	const struct script *s = data;
	const struct cor_option *o;

	fprintf(s->out, "\t'%s') ", path);
	print_subcommands(s, cmd);
	fputs("flags='", s->out);
	for (size_t i = 0; (o = cor_options_at(cmd, i)); i++)
		option_words(s->out, o, "");
	fputs("--help' values='", s->out);
	for (size_t i = 0; (o = cor_options_at(cmd, i)); i++) {
		_cleanup_free_ char *kind = cor_asprintf("=%s", o->metavar ? o->metavar : "value");
		if (!cor_option_is_bool(o) && kind)
			option_words(s->out, o, kind);
	}
	fprintf(s->out, "' kind='%s' ;;\n", cor_complete_kind(cmd));
	return 0;
}

static const char bash_driver[] =
	"# The names of a kind, asked of the program with the global flags typed so far (\"$@\").\n"
	"_coracle_names() {\n"
	"\tlocal kind=$1; shift\n"
	"\tcase \"$kind\" in\n"
	"\tIMAGE) \"$@\" images list -q ;;\n"
	"\tCONTAINER) \"$@\" containers list -q ;;\n"
	"\tTASK) \"$@\" tasks list -q ;;\n"
	"\tDIGEST) \"$@\" content list -q ;;\n"
	"\tSNAPSHOT) \"$@\" snapshots list | tail -n +2 | cut -d' ' -f1 ;;\n"
	"\tNAMESPACE) \"$@\" namespaces list -q ;;\n"
	"\tLEASE) \"$@\" leases list -q ;;\n"
	"\tSNAPSHOTTER) echo overlayfs native ;;\n"
	"\tSIGNAL) echo SIGTERM SIGKILL SIGHUP SIGINT SIGQUIT SIGUSR1 SIGUSR2 ;;\n"
	"\tSHELL) echo bash zsh ;;\n"
	"\tesac 2>/dev/null\n"
	"}\n\n"
	"_coracle() {\n"
	"\tlocal line=${COMP_LINE:0:COMP_POINT} subs aliases flags values kind path=coracle w a i first=1 "
	"cur prefix\n"
	"\tlocal -a words\n"
	"\tread -ra words <<<\"$line\"\n"
	"\t[[ $line == *[[:space:]] ]] && words+=('')\n"
	"\tlocal n=$((${#words[@]} - 1)) want=''\n"
	"\tcur=${words[n]}\n"
	"\t_coracle_spec \"$path\"\n"
	"\tfor ((i = 1; i < n; i++)); do\n"
	"\t\tw=${words[i]}\n"
	"\t\tif [[ $w == -* ]]; then\n"
	"\t\t\t[[ $w == *=* ]] && continue\n"
	"\t\t\tfor a in $values; do\n"
	"\t\t\t\tif [[ ${a%%=*} == \"$w\" || ${a%%=*} == \"-$w\" ]]; then\n"
	"\t\t\t\t\t((i + 1 == n)) && want=${a#*=}\n"
	"\t\t\t\t\t((i++))\n"
	"\t\t\t\t\tbreak\n"
	"\t\t\t\tfi\n"
	"\t\t\tdone\n"
	"\t\t\tcontinue\n"
	"\t\tfi\n"
	"\t\tfor a in $aliases; do [[ ${a%%=*} == \"$w\" ]] && w=${a#*=}; done\n"
	"\t\tif [[ \" $subs\" == *\" $w \"* ]]; then\n"
	"\t\t\t[[ $path == coracle ]] && first=$i\n"
	"\t\t\tpath+=\" $w\"\n"
	"\t\t\t_coracle_spec \"$path\"\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tCOMPREPLY=()\n"
	"\tif [[ -z $want && $cur == -* ]]; then\n"
	"\t\tCOMPREPLY=($(compgen -W \"$flags\" -- \"$cur\"))\n"
	"\t\treturn\n"
	"\tfi\n"
	"\t[[ -z $want ]] && want=$kind\n"
	"\tif [[ -n $subs && $want == \"$kind\" ]]; then\n"
	"\t\tCOMPREPLY=($(compgen -W \"$subs\" -- \"$cur\"))\n"
	"\telif [[ $want == FILE ]]; then\n"
	"\t\tcompopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\"))\n"
	"\telif [[ $want == DIR ]]; then\n"
	"\t\tcompopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\"))\n"
	"\telse\n"
	"\t\tCOMPREPLY=($(compgen -W \"$(_coracle_names \"$want\" \"${words[@]:0:first}\")\" -- \"$cur\"))\n"
	"\tfi\n"
	"\t# The shell splits words at colons: what stands before the last one is there already.\n"
	"\tif [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then\n"
	"\t\tprefix=${cur%\"${cur##*:}\"}\n"
	"\t\tCOMPREPLY=(\"${COMPREPLY[@]#\"$prefix\"}\")\n"
	"\tfi\n"
	"}\n"
	"complete -F _coracle coracle\n";

static const char zsh_driver[] =
	"_coracle_names() {\n"
	"\tlocal kind=$1; shift\n"
	"\tcase $kind in\n"
	"\tIMAGE) \"$@\" images list -q ;;\n"
	"\tCONTAINER) \"$@\" containers list -q ;;\n"
	"\tTASK) \"$@\" tasks list -q ;;\n"
	"\tDIGEST) \"$@\" content list -q ;;\n"
	"\tSNAPSHOT) \"$@\" snapshots list | tail -n +2 | cut -d' ' -f1 ;;\n"
	"\tNAMESPACE) \"$@\" namespaces list -q ;;\n"
	"\tLEASE) \"$@\" leases list -q ;;\n"
	"\tSNAPSHOTTER) print -l overlayfs native ;;\n"
	"\tSIGNAL) print -l SIGTERM SIGKILL SIGHUP SIGINT SIGQUIT SIGUSR1 SIGUSR2 ;;\n"
	"\tesac 2>/dev/null\n"
	"}\n\n"
	"_coracle() {\n"
	"\tlocal aliases flags values kind path_=coracle w a want='' cur=${words[CURRENT]}\n"
	"\tlocal -a subs names\n"
	"\tlocal -i i first=1\n"
	"\t_coracle_spec $path_\n"
	"\tfor ((i = 2; i < CURRENT; i++)); do\n"
	"\t\tw=${words[i]}\n"
	"\t\tif [[ $w == -* ]]; then\n"
	"\t\t\t[[ $w == *=* ]] && continue\n"
	"\t\t\tfor a in ${=values}; do\n"
	"\t\t\t\tif [[ ${a%%=*} == $w || ${a%%=*} == -$w ]]; then\n"
	"\t\t\t\t\t((i + 1 == CURRENT)) && want=${a#*=}\n"
	"\t\t\t\t\t((i++))\n"
	"\t\t\t\t\tbreak\n"
	"\t\t\t\tfi\n"
	"\t\t\tdone\n"
	"\t\t\tcontinue\n"
	"\t\tfi\n"
	"\t\tfor a in ${=aliases}; do [[ ${a%%=*} == $w ]] && w=${a#*=}; done\n"
	"\t\tif (( ${subs[(I)$w:*]} )); then\n"
	"\t\t\t[[ $path_ == coracle ]] && first=$((i - 1))\n"
	"\t\t\tpath_+=\" $w\"\n"
	"\t\t\t_coracle_spec $path_\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tif [[ -z $want && $cur == -* ]]; then\n"
	"\t\tcompadd -- ${=flags}\n"
	"\t\treturn\n"
	"\tfi\n"
	"\tif [[ -z $want && $#subs -gt 0 ]]; then\n"
	"\t\t_describe command subs\n"
	"\t\treturn\n"
	"\tfi\n"
	"\t[[ -z $want ]] && want=$kind\n"
	"\tcase $want in\n"
	"\tFILE) _files ;;\n"
	"\tDIR) _files -/ ;;\n"
	"\t*)\n"
	"\t\tnames=(${(f)\"$(_coracle_names $want ${words[1,first]})\"})\n"
	"\t\tcompadd -- $names\n"
	"\t\t;;\n"
	"\tesac\n"
	"}\n"
	"compdef _coracle coracle\n";

static int generate(const struct cor_command *root, FILE *out, enum shell shell, const char *driver)
{
	struct script s = {.out = out, .shell = shell};

	fputs("_coracle_spec() {\n\tcase \"$1\" in\n", out);
	int r = cor_tree_walk(root, "coracle", print_command, &s);
	fprintf(out, "\tesac\n}\n\n%s", driver);
	return r;
}

int cor_generate_bash(const struct cor_command *root, FILE *out)
{
	fputs("# bash completion for coracle; generated by \"coracle completion bash\"\n\n", out);
	return generate(root, out, BASH, bash_driver);
}

int cor_generate_zsh(const struct cor_command *root, FILE *out)
{
	fputs("#compdef coracle\n# generated by \"coracle completion zsh\"\n\n", out);
	return generate(root, out, ZSH, zsh_driver);
}
