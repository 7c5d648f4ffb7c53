package dev.kvcapsule.serving.report;

import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** The codecs that a report tries unless it is told which. */
public final class CodecSweep {
    private static final List<String> SPECS = List.of("lossless", "fp8", "kivi:bits=4", "kivi:bits=2", "rotated:bits=4", "rotated:bits=3", "rotated:bits=2",
            "klt:group=1,step=0.4", "klt:group=1,step=0.6", "klt:group=1,step=1", "klt:group=1,step=2", "klt:group=1,step=4",
            "klt:group=3,step=0.6", "klt:group=3,step=1", "klt:group=3,step=2",
            "svd:rank=32", "svd:rank=64", "svd:rank=128", "cachegen:level=1", "cachegen:level=2", "cachegen:level=3");
    private static final List<String> WITH_BASIS = List.of("klt:step=0.5", "klt:step=1", "klt:step=2", "klt:step=4", "kvtc:ratio=4", "kvtc:ratio=8", "kvtc:ratio=16");

    private CodecSweep() {}

    /**
     * Every codec that this installation has, at rates from careful to hard.
     *
     * @param bases shared bases: the codec that each is for, by its digest
     */
    public static List<CodecSpec> defaults(Map<String, String> bases) {
        Set<String> installed = Codecs.all().stream().map(CodecFactory::name).collect(Collectors.toSet());
        List<CodecSpec> sweep = new ArrayList<>();
        SPECS.forEach(text -> add(sweep, CodecSpec.parse(text), installed));
        bases.forEach((digest, codec) -> WITH_BASIS.stream().map(CodecSpec::parse).filter(spec -> spec.name().equals(codec))
                .forEach(spec -> add(sweep, spec.with("basis", digest), installed)));
        return List.copyOf(sweep);
    }

    private static void add(List<CodecSpec> sweep, CodecSpec spec, Set<String> installed) {
        if (installed.contains(spec.name()) && hasParameters(spec)) {
            sweep.add(spec);
        }
    }

    /** An installation may have a codec of another version, with other parameters. */
    private static boolean hasParameters(CodecSpec spec) {
        try {
            Codecs.create(spec);
            return true;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }
}
