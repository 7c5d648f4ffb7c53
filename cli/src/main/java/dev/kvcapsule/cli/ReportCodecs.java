package dev.kvcapsule.cli;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.calibration.CalibrationFactory;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.engine.codec.Bases;
import dev.kvcapsule.engine.codec.CodecParameter;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.serving.report.CodecSweep;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The codecs that a report tries.
 *
 * @param sweep at least one
 * @param bases shared bases: the codec that each is for, by its digest
 */
record ReportCodecs(List<CodecSpec> sweep, Map<String, String> bases) {
    /**
     * @param named what the user asks for; empty for all there are
     * @param digests of bases that the user named
     * @param files where they are
     */
    static ReportCodecs of(List<String> named, List<String> digests, Bases files) throws IOException {
        Map<String, String> bases = new LinkedHashMap<>();
        for (String digest : digests) {
            MemorySegment file = files.find(digest);
            CalibrationFactory factory = Calibrations.recognise(file).orElseThrow(() -> new MalformedDataException("basis " + digest + " is of no codec here"));
            // Damage is found now, and not after half of an hour.
            factory.describe(file);
            bases.put(digest, factory.codec());
        }
        if (named.isEmpty()) {
            return new ReportCodecs(CodecSweep.defaults(bases), bases);
        }
        try {
            return new ReportCodecs(named.stream().map(text -> codec(text, bases)).distinct().toList(), bases);
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException(e.getMessage());
        }
    }

    /** With the basis for it, as encode does; who wants to compare writes {@code basis=none}. */
    private static CodecSpec codec(String text, Map<String, String> bases) {
        CodecSpec codec = CodecSpec.parse(text);
        boolean takesBasis = Codecs.factory(codec.name()).parameters().stream().map(CodecParameter::name).anyMatch("basis"::equals);
        if (takesBasis && !codec.parameters().containsKey("basis")) {
            for (Map.Entry<String, String> basis : bases.entrySet()) {
                if (basis.getValue().equals(codec.name())) {
                    codec = codec.with("basis", basis.getKey());
                    break;
                }
            }
        }
        Codecs.create(codec);
        return codec;
    }
}
