package dev.kvcapsule.serving.report;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.serving.llamacpp.runtime.CacheJudge.Verdict;
import java.io.StringReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import javax.xml.XMLConstants;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.xpath.XPathConstants;
import javax.xml.xpath.XPathFactory;
import org.junit.jupiter.api.Test;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class ReportPageTest {
    private static final String HOSTILE = "</title><script>alert(1)</script>\"'&\u0000\u202e.ggsq";
    private static final String DIGEST = "0123456789abcdef".repeat(4);

    private static Measurement measured(String codec, double ratio, double kl, boolean recall) {
        Verdict verdict = new Verdict(64, kl, 5 * kl, 9 * kl, kl == 0 ? 1 : 0.9512, 5.23, 5.23 + kl);
        return new Measurement(CodecSpec.parse(codec), 94_000_000, (long) (94_000_000 / ratio), ratio, kl * 2, kl * 3, kl * 4, 1.5, 0.25,
                kl < 0 ? Optional.empty() : Optional.of(verdict), recall ? Optional.of(verdict) : Optional.empty());
    }

    private static List<Measurement> sweep(boolean recall) {
        return List.of(measured("klt:basis=" + DIGEST + ",step=2", 21.5, 0.04, recall), measured("lossless", 1.19, 0, recall), measured("kivi:bits=2", 5.6, 0.17, recall),
                measured("kivi:bits=4", 3.2, 0.0068, recall), measured("rotated:bits=3", 5.31, 0.013, recall), measured("rotated:bits=4", 4.05, 0.0054, recall));
    }

    private static StateFidelity state(String name, List<Measurement> measurements) {
        return new StateFidelity(name, 4096, 30, 94_000_000, measurements, List.of(new StateFidelity.Skipped(CodecSpec.parse("fp8"), "no <b>")), "Asked & answered.");
    }

    private static FidelityReport report(StateFidelity... states) {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("Command", "capsule report '" + HOSTILE + "'");
        return new FidelityReport(List.of(states), new ReportOrigin(facts));
    }

    /** Read as XML, without whatever a DOCTYPE could bring in. */
    private static Document parse(String page) throws Exception {
        assertTrue(page.startsWith("<!DOCTYPE html>\n<html"), page.substring(0, 40));
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
        factory.setAttribute(XMLConstants.ACCESS_EXTERNAL_DTD, "");
        return factory.newDocumentBuilder().parse(new InputSource(new StringReader(page)));
    }

    private static List<Element> find(Node from, String path) throws Exception {
        NodeList nodes = (NodeList) XPathFactory.newInstance().newXPath().evaluate(path, from, XPathConstants.NODESET);
        List<Element> elements = new ArrayList<>();
        for (int i = 0; i < nodes.getLength(); i++) {
            elements.add((Element) nodes.item(i));
        }
        return elements;
    }

    private static List<String> texts(Node from, String path) throws Exception {
        return find(from, path).stream().map(Node::getTextContent).toList();
    }

    @Test
    void aPageIsWellFormedAndNeedsNothingElse() throws Exception {
        String page = ReportPage.of(report(state("a.ggsq", sweep(true)), state("b.ggsq", sweep(true))));
        Document document = parse(page);
        assertAll(
                () -> assertEquals(0, find(document, "//script | //link | //img | //iframe | //@src | //@href | //@onclick").size()),
                () -> assertFalse(page.contains("url(") || page.contains("@import"), "a page that loads something"),
                () -> assertEquals(List.of("Mean over 2 states", "a.ggsq", "b.ggsq", "How it was measured"), texts(document, "//h2")),
                () -> assertEquals(6, find(document, "//figure").size()),
                () -> assertEquals(12, find(document, "//figure/svg").size()),
                () -> assertTrue(page.contains("prefers-color-scheme: dark")),
                () -> assertEquals(1, find(document, "//meta[@name='viewport']").size()));
    }

    @Test
    void everyPointLiesBetweenTheAxesAndSaysWhatItIs() throws Exception {
        Document document = parse(ReportPage.of(report(state("a.ggsq", sweep(false)))));
        List<Element> plots = find(document, "//figure/svg");
        assertEquals(2, plots.size());
        for (int i = 0; i < plots.size(); i++) {
            ScatterPlot.Size size = i == 0 ? ScatterPlot.WIDE : ScatterPlot.NARROW;
            Box area = new ScatterPlot(sweep(false), Metric.CONTINUATION, CodecFamily.numbered(sweep(false)), size).area();
            List<Element> hits = find(plots.get(i), ".//circle[@class='hit']");
            assertEquals(6, hits.size());
            for (Element hit : hits) {
                double x = Double.parseDouble(hit.getAttribute("cx"));
                double y = Double.parseDouble(hit.getAttribute("cy"));
                assertTrue(area.holds(Box.around(x, y, Marker.RADIUS)), x + ", " + y + " outside of " + area);
            }
            assertEquals(List.of("1×", "2×", "5×", "10×", "20×"), texts(plots.get(i), "./text[@class='tick'][@text-anchor='middle']"));
            assertEquals(List.of("0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0"), texts(plots.get(i), "./text[@class='tick'][@text-anchor='end']"));
            assertTrue(texts(plots.get(i), ".//title").contains("rotated:bits=3\nratio 5.31, KL 0.0130\n17.7 MB, encode 63 MB/s, decode 376 MB/s\non the Pareto frontier"),
                    texts(plots.get(i), ".//title").toString());
            assertEquals(2, find(plots.get(i), "./polyline[starts-with(@class, 'line ')]").size(), "kivi and rotated have two points each");
            assertEquals(1, find(plots.get(i), "./polyline[@class='frontier']").size());
        }
    }

    @Test
    void theTableIsSortedByRatioAndMarksTheFrontier() throws Exception {
        Document document = parse(ReportPage.of(report(state("a.ggsq", sweep(false)))));
        assertEquals(List.of("lossless", "kivi:bits=4", "rotated:bits=4", "rotated:bits=3", "kivi:bits=2", "klt:basis=01234567…,step=2"), texts(document, "//tbody//th"));
        assertEquals(List.of("lossless", "rotated:bits=4", "rotated:bits=3", "klt:basis=01234567…,step=2"), texts(document, "//tbody/tr[@class='best']/th"));
        assertEquals(List.of("5.31", "17.7 MB", "0.0130", "0.0650", "95.1", "5.24", "0.0260", "0.0390", "0.0520", "1.50", "63", "0.250", "376"),
                texts(document, "//tbody/tr[4]/td"));
        assertEquals(List.of("codec", "", "next in the text: 64 tokens, perplexity 5.23 untouched", "relative error", "encode", "decode"), texts(document, "//thead/tr[1]/th"));
    }

    @Test
    void withoutAModelErrorsAreShown() throws Exception {
        List<Measurement> errors = List.of(new Measurement(CodecSpec.parse("fp8"), 100, 50, 2, 0.1, 0.2, 0.05, 1, 1, Optional.empty(), Optional.empty()));
        Document document = parse(ReportPage.of(report(state("a.ggsq", errors))));
        assertEquals(List.of("Attention outputs"), texts(document, "//h3"));
        List<Measurement> keysOnly = List.of(new Measurement(CodecSpec.parse("fp8"), 100, 50, 2, 0.1, 0, Double.NaN, 1, 1, Optional.empty(), Optional.empty()));
        assertEquals(List.of("Keys"), texts(parse(ReportPage.of(report(state("a.ggsq", keysOnly)))), "//h3"));
    }

    @Test
    void namesAreTextWhateverTheyHold() throws Exception {
        Document document = parse(ReportPage.of(report(state(HOSTILE, sweep(false)))));
        String shown = HOSTILE.replace('\u0000', '\ufffd').replace('\u202e', '\ufffd');
        assertEquals(List.of(shown, "How it was measured"), texts(document, "//h2"));
        assertEquals(0, find(document, "//script").size());
        assertEquals(List.of("capsule report '" + shown + "'"), texts(document, "//dd"));
        assertEquals(List.of("fp8 left out: no <b>"), texts(document, "//ul[@class='skipped']/li"));
    }

    @Test
    void fieldsForJsonAreTheSameFigures() {
        @SuppressWarnings("unchecked") // an object
        Map<String, Object> state = (Map<String, Object>) ReportFields.of(report(state("a.ggsq", sweep(true)))).getFirst();
        assertEquals(List.of("state", "tokens", "layers", "raw_bytes", "judged", "codecs", "skipped"), List.copyOf(state.keySet()));
        @SuppressWarnings("unchecked") // an object
        Map<String, Object> rotated = (Map<String, Object>) ((List<?>) state.get("codecs")).get(3);
        assertEquals("rotated:bits=3", rotated.get("codec"));
        assertEquals(5.31, rotated.get("ratio"));
        assertEquals(true, rotated.get("pareto"));
        assertEquals(0.013, ((Map<?, ?>) rotated.get("recall")).get("kl_mean"));
        assertEquals(5.23, ((Map<?, ?>) rotated.get("continuation")).get("perplexity_untouched"));
    }

    @Test
    void meansAreOfCodecsThatEveryStateHas() {
        List<Measurement> fewer = sweep(false).subList(0, 3);
        List<Measurement> doubled = fewer.stream().map(m -> measured(m.codec().toString(), 2 * m.ratio(), 3 * m.continuation().orElseThrow().meanKl(), false)).toList();
        List<Measurement> means = report(state("a", sweep(false)), state("b", doubled)).means();
        assertEquals(List.of("lossless", "kivi:bits=2", "klt:basis=" + DIGEST + ",step=2"), means.stream().map(m -> m.codec().toString()).toList());
        assertEquals(1.5 * 5.6, means.get(1).ratio(), 1e-12);
        assertEquals(2 * 0.17, means.get(1).continuation().orElseThrow().meanKl(), 1e-12);
        assertEquals(128, means.get(1).continuation().orElseThrow().tokens());
    }
}
