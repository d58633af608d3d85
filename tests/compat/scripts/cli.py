"""Runs a service's commands of the OpenStack client, all in one process, and prints what they print.

usage: cli.py GROUP COMMANDS   (a file with a command a line; `$NAME` stands for what `NAME = command` printed as id)

Ids, times, secrets, addresses and how often a host changed are replaced, so that two runs of the same commands print the same. Ends with 1 when the client has
a command in GROUP (of its entry points: `openstack.identity.v3`) that the file does not hold.
"""

import contextlib
import io
import re
import shlex
import sys
from importlib.metadata import entry_points

from openstackclient import shell

HEX = re.compile(r"\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
TIMES = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+0000)?")
TOKENS = re.compile(r"gAAAA[\w-]{60,}")
GENERATIONS = re.compile(r"(\| (?:generation|host-\d) +\| +)\d+")
URLS = re.compile(r"https?://(?:127\.0\.0\.1|localhost)(?::\d+)?")


class Names:
    """Gives each id a name by the order in which it appeared."""

    def __init__(self):
        self.known = {}

    def __call__(self, match):
        name = self.known.setdefault(match.group(0), f"id{len(self.known) + 1}")
        return f"<{name}>"


class Client:
    def __init__(self):
        self.out = io.StringIO()
        self.err = io.StringIO()
        with self.streams():
            self.shell = shell.OpenStackShell()
        self.started = False

    @contextlib.contextmanager
    def streams(self):
        with contextlib.redirect_stdout(self.out), contextlib.redirect_stderr(self.err):
            yield

    def run(self, words):
        """The exit status and what was printed; the first command logs in, the others use its token."""
        for stream in (self.out, self.err):
            stream.seek(0)
            stream.truncate()
        with self.streams():
            try:
                if self.started:
                    status = self.shell.run_subcommand(words)
                else:
                    self.started = True
                    status = self.shell.run(words)
            except SystemExit as end:
                status = end.code
            except Exception as error:  # what the client itself would print
                print(f"{type(error).__name__}: {error}", file=sys.stderr)
                status = 1
        return status, self.out.getvalue(), self.err.getvalue()


def plain(text, names):
    text = URLS.sub("https://CLOUD", text)
    text = TOKENS.sub("<token>", text)
    text = HEX.sub(names, text)
    text = TIMES.sub("<time>", text)
    text = GENERATIONS.sub(r"\1<n>", text)
    text = re.sub(r"req-<id\d+>", "<request>", text)
    return "\n".join(squeeze(line) for line in text.splitlines())


def squeeze(line):
    """Widths of columns hang on what was replaced."""
    line = re.sub(r"-{3,}", "---", line)
    return re.sub(r" {2,}", " ", line).rstrip()


def ordered(text, words):
    """Rows of lists come in the order of random ids: they are put into that of what they say."""
    if "list" not in words and words[0] != "catalog":
        return text
    lines = text.splitlines()
    borders = [at for at, line in enumerate(lines) if line.startswith("+-")]
    if len(borders) < 3:
        return text
    first, last = borders[1] + 1, borders[2]
    lines[first:last] = sorted(lines[first:last], key=lambda line: squeeze(HEX.sub("<id>", line)))
    return "\n".join(lines)


def missing(group, commands):
    spoken = [" ".join(words) for words in commands]
    known = sorted(entry.name.replace("_", " ") for entry in entry_points(group=group))
    return [name for name in known if not any(words == name or words.startswith(name + " ") for words in spoken)]


def identifier(text):
    found = re.search(r"^\| (?:id|access) +\| (\S+)", text, re.MULTILINE)
    return found.group(1) if found else next(iter(text.split()), "none")


def main(group, path):
    with open(path, encoding="utf-8") as file:
        lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    client, names, variables, commands = Client(), Names(), {}, []
    for line in lines:
        assigned = re.match(r"([A-Z][A-Z0-9_]*) = (.*)", line)
        text = assigned.group(2) if assigned else line
        words = shlex.split(text)
        commands.append([word for word in words if not word.startswith("--os-")])
        # The longest names first: $GROUP stands in $GROUP2.
        for name in sorted(variables, key=len, reverse=True):
            words = [word.replace(f"${name}", variables[name]) for word in words]
        status, out, err = client.run(words)
        if assigned:
            variables[assigned.group(1)] = identifier(out)
        print(f"$ {line}")
        for part in (plain(ordered(out, words), names), plain(err, names)):
            if part:
                print(part)
        # Some commands of the client return what they made instead.
        if isinstance(status, int) and status:
            print(f"-> {status}")
        print()
    left = missing(group, commands)
    if left:
        print("not exercised:", ", ".join(left), file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
