package dev.kvcapsule.serving.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class MarkupTest {
    @Test
    void escapesTextAndAttributes() {
        assertEquals("<p title=\"&quot; onload=&quot;x&#39;\">&lt;script&gt;&amp;amp;&lt;/script&gt;</p>",
                new Markup().element("p", "<script>&amp;</script>", "title", "\" onload=\"x'").toString());
    }

    /** Control characters, lone surrogates and direction marks, which file names may hold. */
    @Test
    void replacesWhatXmlCannotHoldOrEyesCannotSee() {
        assertEquals("<p>a\ufffdb\ufffdc\ufffdd\ufffd\ud83d\ude00é</p>", new Markup().element("p", "a\u0001b\ud800c\u202ed\uffff\ud83d\ude00é").toString());
    }

    @Test
    void elementsMustBeClosedAndStyleSheetsPlain() {
        assertThrows(IllegalStateException.class, () -> new Markup().open("p").toString());
        assertThrows(IllegalArgumentException.class, () -> new Markup().style("</style>"));
    }
}
