#!/usr/bin/env python3
"""Makes 48 texts to calibrate a shared basis on, out of packages of Debian 12; docs/fidelity.md tells what every fourth of them was worth.

    scripts/calibration-texts.py OUT

Needs apt-get (after `apt-get update`), dpkg-deb and 80 MB of downloads. A text is of one kind: parts of two files of a package, 9,500 characters each,
from a fifth of the file on, so that licences at the top are not what the model reads. Nothing here is Go, CPython's datetime.py or dataclasses.py, its language reference or the
Anarchist FAQ: what docs/fidelity.md tests on.
"""
import gzip
import html.parser
import pathlib
import re
import subprocess
import sys
import tempfile

PART = 9500
PY, DJANGO, SYMPY, TWISTED = "usr/lib/python3.11/", "usr/lib/python3/dist-packages/django/", "usr/lib/python3/dist-packages/sympy/", "usr/lib/python3/dist-packages/twisted/"
NODE, RUBY, PERL, POD = "usr/share/nodejs/", "usr/lib/ruby/3.1.0/", "usr/share/perl/5.36.0/", "usr/share/perl/5.36.0/pod/"
TOKIO, GNULIB, ERLANG = "usr/share/cargo/registry/tokio-1.24.2/src/", "usr/share/gnulib/", "usr/lib/erlang/lib/stdlib-4.2/src/"
FORTUNES, POSTGRES, HELP = "usr/share/games/fortunes/", "usr/share/doc/postgresql-doc-15/html/", "usr/share/help/"
REFERENCE, GIT = "usr/share/debian-reference/", "usr/share/doc/git-doc/"

# name: package, two files of it
TEXTS = {
    "python-library-1": ("libpython3.11-stdlib", PY + "tarfile.py", PY + "statistics.py"),
    "python-library-2": ("libpython3.11-stdlib", PY + "smtplib.py", PY + "turtle.py"),
    "python-library-3": ("libpython3.11-stdlib", PY + "difflib.py", PY + "plistlib.py"),
    "python-web": ("python3-django", DJANGO + "forms/models.py", DJANGO + "http/multipartparser.py"),
    "python-orm": ("python3-django", DJANGO + "template/base.py", DJANGO + "db/models/query.py"),
    "python-algebra": ("python3-sympy", SYMPY + "combinatorics/perm_groups.py", SYMPY + "solvers/solveset.py"),
    "python-network": ("python3-twisted", TWISTED + "mail/imap4.py", TWISTED + "web/http.py"),
    "python-tests": ("python3-twisted", TWISTED + "test/test_ftp.py", TWISTED + "test/test_defer.py"),
    "yaml": ("ansible-core", "usr/lib/python3/dist-packages/ansible/config/base.yml", "usr/lib/python3/dist-packages/ansible/config/ansible_builtin_runtime.yml"),
    "python-ansible": ("ansible-core", "usr/lib/python3/dist-packages/ansible/modules/wait_for.py", "usr/lib/python3/dist-packages/ansible/galaxy/api.py"),
    "javascript-1": ("npm", NODE + "@npmcli/arborist/lib/arborist/reify.js", NODE + "pacote/lib/fetcher.js"),
    "javascript-2": ("node-express", NODE + "express/lib/application.js", NODE + "express/lib/response.js"),
    "javascript-3": ("node-d3", NODE + "d3/dist/d3.js", NODE + "d3/dist/d3.min.js"),
    "typescript": ("node-lodash", NODE + "@types/lodash/common/object.d.ts", NODE + "@types/lodash/common/array.d.ts"),
    "rust-1": ("librust-tokio-dev", TOKIO + "sync/broadcast.rs", TOKIO + "runtime/builder.rs"),
    "rust-2": ("librust-regex-dev", "usr/share/cargo/registry/regex-1.7.1/src/re_unicode.rs", "usr/share/cargo/registry/regex-1.7.1/src/pikevm.rs"),
    "c-1": ("gnulib", GNULIB + "lib/regexec.c", GNULIB + "lib/fts.c"),
    "c-2": ("gnulib", GNULIB + "lib/parse-datetime.y", GNULIB + "lib/vasnprintf.c"),
    "c-3": ("libstb-dev", "usr/include/stb/stb_image_write.h", "usr/include/stb/stb_textedit.h"),
    "cpp-1": ("libeigen3-dev", "usr/include/eigen3/Eigen/src/Geometry/Transform.h", "usr/include/eigen3/Eigen/src/SparseLU/SparseLU.h"),
    "cpp-2": ("nlohmann-json3-dev", "usr/include/nlohmann/detail/input/lexer.hpp", "usr/include/nlohmann/detail/output/serializer.hpp"),
    "ruby-1": ("libruby3.1", RUBY + "fileutils.rb", RUBY + "optparse.rb"),
    "ruby-2": ("ruby-sinatra", "usr/share/rubygems-integration/all/gems/sinatra-3.0.5/lib/sinatra/base.rb", "usr/share/doc/ruby-sinatra/README.md.gz"),
    "php": ("php-symfony-console", "usr/share/php/Symfony/Component/Console/Command/Command.php", "usr/share/php/Symfony/Component/Console/Helper/ProgressBar.php"),
    "perl-1": ("perl-modules-5.36", PERL + "TAP/Parser.pm", PERL + "Net/Ping.pm"),
    "perl-2": ("perl-doc", POD + "perlretut.pod", POD + "perlipc.pod"),
    "lua": ("luarocks", "usr/share/lua/5.1/luarocks/fetch.lua", "usr/share/lua/5.1/luarocks/util.lua"),
    "tcl": ("tcllib", "usr/share/tcltk/tcllib1.21/tepam/tepam.tcl", "usr/share/tcltk/tcllib1.21/websocket/websocket.tcl"),
    "erlang": ("erlang-src", ERLANG + "gen_statem.erl", ERLANG + "dets.erl"),
    "lisp": ("elpa-magit", "usr/share/emacs/site-lisp/elpa-src/magit-3.3.0/magit-log.el", "usr/share/emacs/site-lisp/elpa-src/magit-3.3.0/magit-blame.el"),
    "octave": ("octave-common", "usr/share/octave/7.3.0/m/special-matrix/gallery.m", "usr/share/octave/7.3.0/m/sparse/eigs.m"),
    "shell": ("bash-completion", "usr/share/bash-completion/bash_completion", "usr/share/bash-completion/completions/ssh"),
    "cmake": ("cmake-data", "usr/share/cmake-3.25/Modules/FindPackageHandleStandardArgs.cmake", "usr/share/cmake-3.25/Help/manual/cmake-buildsystem.7.rst"),
    "xml": ("docbook-xsl", "usr/share/xml/docbook/stylesheet/docbook-xsl/xhtml-1_1/graphics.xsl", "usr/share/xml/docbook/stylesheet/docbook-xsl/common/common.xsl"),
    "manual-database": ("postgresql-doc-15", POSTGRES + "queries-table-expressions.html", POSTGRES + "extend-extensions.html"),
    "manual-git": ("git-doc", GIT + "gitcore-tutorial.txt", GIT + "howto/maintain-git.txt"),
    "manual-perl": ("perl-doc", POD + "perlfaq4.pod", POD + "perlpolicy.pod"),
    "standards": ("gnulib", GNULIB + "doc/standards.texi", GNULIB + "doc/maintain.texi"),
    "policy": ("debian-policy", "usr/share/doc/debian-policy/policy.html/_sources/ch-source.rst.txt", "usr/share/doc/debian-policy/fhs/fhs-3.0.txt.gz"),
    "advice": ("developers-reference", "usr/share/developers-reference/best-pkging-practices.html", "usr/share/developers-reference/beyond-pkging.html"),
    "questions": ("debian-faq", "usr/share/doc/debian/FAQ/choosing.en.html", "usr/share/doc/debian/FAQ/pkg-basics.en.html"),
    "law": ("miscfiles", "usr/share/state/us-constitution.gz", "usr/share/state/us-declaration.gz"),
    "satire": ("dict-devil", "usr/share/dictd/devil.dict.dz"),
    "jargon": ("dict-jargon", "usr/share/dictd/jargon.dict.dz"),
    "quotations-1": ("fortunes", FORTUNES + "wisdom", FORTUNES + "science"),
    "quotations-2": ("fortunes", FORTUNES + "songs-poems", FORTUNES + "love"),
    "german-french": ("debian-reference-de debian-reference-fr", REFERENCE + "ch04.de.html", REFERENCE + "ch10.fr.html"),
    "spanish-chinese": ("debian-reference-es debian-reference-zh-cn", REFERENCE + "ch12.es.html", REFERENCE + "ch05.zh-cn.html"),
}


class Words(html.parser.HTMLParser):
    """The text of a page, without scripts and styles."""

    def __init__(self):
        super().__init__()
        self.parts, self.hidden = [], 0

    def handle_starttag(self, tag, attributes):
        self.hidden += tag in ("script", "style", "head")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("script", "style", "head")

    def handle_data(self, data):
        if not self.hidden:
            self.parts.append(data)


def text(file):
    raw = file.read_bytes()
    if file.suffix in (".gz", ".dz"):
        raw = gzip.decompress(raw)
    found = raw.decode("utf-8", "replace")
    if file.suffix == ".html":
        words = Words()
        words.feed(found)
        found = re.sub(r"\n\s*\n\s*\n+", "\n\n", "".join(words.parts))
    return found


def part(found, length):
    """From the first line that begins in the second fifth of a file on; all of a short one."""
    start = 0 if len(found) <= length else min(len(found) // 5, len(found) - length)
    line = found.find("\n", start, start + 400) + 1 if start else 0
    return found[line or start:][:length]


def main(out):
    out.mkdir(parents=True, exist_ok=True)
    packages = sorted({name for packages, *_ in TEXTS.values() for name in packages.split()})
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["apt-get", "download", "-qq", *packages], cwd=folder, check=True)
        root = pathlib.Path(folder, "root")
        for package in pathlib.Path(folder).glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, root], check=True)
        for name, (_, *files) in TEXTS.items():
            (out / (name + ".txt")).write_text("\n\n".join(part(text(root / file), 2 * PART // len(files)) for file in files), encoding="utf-8")
    print(len(TEXTS), "texts in", out)


if len(sys.argv) != 2:
    sys.exit(__doc__)
main(pathlib.Path(sys.argv[1]))
