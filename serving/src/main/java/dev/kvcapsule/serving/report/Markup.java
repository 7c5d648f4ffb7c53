package dev.kvcapsule.serving.report;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * Writes elements, of HTML and SVG alike, that are also well-formed XML: every text and every attribute is escaped here, so that no file name and no
 * option can become markup.
 */
final class Markup {
    private final StringBuilder out = new StringBuilder();
    private final Deque<String> open = new ArrayDeque<>();

    /** @param attributes names and values in turns */
    Markup open(String element, String... attributes) {
        tag(element, attributes);
        out.append('>');
        open.push(element);
        return this;
    }

    Markup close() {
        out.append("</").append(open.pop()).append('>');
        return this;
    }

    /** Closes, and starts a new line: pages are read by people too. */
    Markup closeLine() {
        close();
        return line();
    }

    Markup line() {
        out.append('\n');
        return this;
    }

    /** An element without content. */
    Markup empty(String element, String... attributes) {
        tag(element, attributes);
        out.append("/>");
        return this;
    }

    /** An element with text. */
    Markup element(String element, String text, String... attributes) {
        return open(element, attributes).text(text).close();
    }

    Markup text(String text) {
        escape(text);
        return this;
    }

    /** A style sheet, which is the program's own: HTML and XML would read escapes in it differently. */
    Markup style(String css) {
        if (css.contains("<") || css.contains("&")) {
            throw new IllegalArgumentException("a style sheet with < or &");
        }
        out.append("<style>").append(css).append("</style>\n");
        return this;
    }

    private void tag(String element, String... attributes) {
        out.append('<').append(element);
        for (int i = 0; i < attributes.length; i += 2) {
            out.append(' ').append(attributes[i]).append("=\"");
            escape(attributes[i + 1]);
            out.append('"');
        }
    }

    private void escape(String text) {
        text.codePoints().forEach(c -> {
            switch (c) {
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '&' -> out.append("&amp;");
                case '"' -> out.append("&quot;");
                case '\'' -> out.append("&#39;");
                default -> out.appendCodePoint(isCharacter(c) ? c : 0xfffd);
            }
        });
    }

    /** Whether XML has that character at all; marks that turn the direction of writing around could make a name look like another. */
    private static boolean isCharacter(int c) {
        boolean inXml = c == '\t' || c == '\n' || c >= 0x20 && c < 0x7f || c >= 0xa0 && c < 0xd800 || c >= 0xe000 && c < 0xfffe || c >= 0x10000;
        return inXml && !(c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069);
    }

    /** @throws IllegalStateException if an element is still open */
    @Override
    public String toString() {
        if (!open.isEmpty()) {
            throw new IllegalStateException(open.peek() + " is still open");
        }
        return out.toString();
    }
}
