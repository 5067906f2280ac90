/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts from the tables, in the layout of ctr's: NAME, USAGE, VERSION, DESCRIPTION, COMMANDS, OPTIONS. */
#include <inttypes.h>

#include "cmd/dispatch.h"
#include "cmd/options.h"

static void option_name(struct cor_buf *b, const struct cor_option *o, const char *name, size_t n)
{
	cor_buf_printf(b, "%s%s%.*s", b->len ? ", " : "", n == 1 ? "-" : "--", (int)n, name);
	if (!cor_option_is_bool(o))
		cor_buf_printf(b, " %s", o->metavar ? o->metavar : "value");
}

void cor_help_option_names(struct cor_buf *b, const struct cor_option *o)
{
	option_name(b, o, o->name, strlen(o->name));
	for (const char *a = o->alias; a && *a;) {
		size_t len = strcspn(a, ",");
		option_name(b, o, a, len);
		a += len + (a[len] == ',');
	}
}

void cor_help_option_text(struct cor_buf *b, const struct cor_option *o)
{
	bool quoted = o->type == COR_OPT_STRING || o->type == COR_OPT_STRINGS;

	cor_buf_str(b, o->help);
	if (o->def)
		cor_buf_printf(b, quoted ? " (default: \"%s\")" : " (default: %s)", o->def);
	if (o->required)
		cor_buf_str(b, " (required)");
	if (o->env)
		cor_buf_printf(b, " [$%s]", o->env);
}

/* ", " behind each name: "list, ls". */
static void command_names(struct cor_buf *b, const struct cor_command *c)
{
	cor_buf_str(b, c->name);
	for (const char *a = c->aliases; a && *a;) {
		size_t len = strcspn(a, ",");
		cor_buf_printf(b, ", %.*s", (int)len, a);
		a += len + (a[len] == ',');
	}
}

static int names_width(const struct cor_command *cmd)
{
	size_t width = strlen("help, h");

	for (const struct cor_command *const *c = cmd->subcommands; *c; c++) {
		_cleanup_buf_ struct cor_buf b = {0};
		command_names(&b, *c);
		if (!(*c)->hidden)
			width = MAX(width, b.len);
	}
	return (int)width;
}

static void print_commands(FILE *out, const struct cor_command *cmd)
{
	int width = names_width(cmd);

	fputs("\nCOMMANDS:\n", out);
	for (const struct cor_command *const *c = cmd->subcommands; *c; c++) {
		_cleanup_buf_ struct cor_buf b = {0};
		if ((*c)->hidden)
			continue;
		command_names(&b, *c);
		fprintf(out, "   %-*s  %s\n", width, b.data ? b.data : "", (*c)->usage);
	}
	fprintf(out, "   %-*s  Shows a list of commands or help for one command\n", width, "help, h");
}

static void print_options(FILE *out, const struct cor_command *cmd, bool is_root)
{
	const char *help_name = cor_options_find(cmd, "h", 1) ? "--help" : "--help, -h";
	const struct cor_option *o;
	size_t width = strlen(help_name);

	for (size_t i = 0; (o = cor_options_at(cmd, i)); i++) {
		_cleanup_buf_ struct cor_buf b = {0};
		cor_help_option_names(&b, o);
		width = MAX(width, b.len);
	}
	fputs(is_root ? "\nGLOBAL OPTIONS:\n" : "\nOPTIONS:\n", out);
	for (size_t i = 0; (o = cor_options_at(cmd, i)); i++) {
		_cleanup_buf_ struct cor_buf names = {0}, text = {0};
		cor_help_option_names(&names, o);
		cor_help_option_text(&text, o);
		fprintf(out, "   %-*s  %s\n", (int)width, names.data ? names.data : "",
			text.data ? text.data : "");
	}
	fprintf(out, "   %-*s  show help\n", (int)width, help_name);
}

static void print_usage_line(FILE *out, const struct cor_command *cmd, const char *path, bool is_root)
{
	fputs("\nUSAGE:\n   ", out);
	if (is_root)
		fprintf(out, "%s [global options] command [command options] [arguments...]\n", path);
	else if (cmd->subcommands)
		fprintf(out, "%s command [command options] [arguments...]\n", path);
	else
		fprintf(out, "%s%s%s%s\n", path, cor_options_at(cmd, 0) ? " [command options]" : "",
			cor_empty(cmd->args_usage) ? "" : " ", cmd->args_usage ? cmd->args_usage : "");
}

/* Each line of the text indented by three blanks. */
static void print_indented(FILE *out, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		fprintf(out, n ? "   %.*s\n" : "%.*s\n", (int)n, text);
		text += n + (text[n] == '\n');
	}
}

void cor_help_print(FILE *out, const struct cor_command *cmd, const char *path, bool is_root)
{
	fprintf(out, "NAME:\n   %s - %s\n", path, cmd->usage);
	print_usage_line(out, cmd, path, is_root);
	if (is_root)
		fprintf(out, "\nVERSION:\n   %s\n", COR_VERSION);
	if (cmd->description) {
		fputs("\nDESCRIPTION:\n", out);
		print_indented(out, cmd->description);
	}
	if (cmd->subcommands)
		print_commands(out, cmd);
	print_options(out, cmd, is_root);
}
