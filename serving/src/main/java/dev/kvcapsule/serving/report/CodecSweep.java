package dev.kvcapsule.serving.report;

import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/** The codecs that a report tries unless it is told which. */
public final class CodecSweep {
    private static final List<String> SPECS = List.of("lossless", "fp8", "kivi:bits=4", "kivi:bits=2", "rotated:bits=4", "rotated:bits=3", "rotated:bits=2",
            "klt:group=1,step=0.5", "klt:group=1,step=1", "klt:group=1,step=2", "klt:group=1,step=4",
            "klt:group=3,step=0.5", "klt:group=3,step=1", "klt:group=3,step=2", "klt:group=3,step=4",
            "svd:rank=32", "svd:rank=64", "svd:rank=128", "kvtc:ratio=4", "kvtc:ratio=8", "kvtc:ratio=16", "cachegen:level=1", "cachegen:level=2", "cachegen:level=3");
    private static final List<String> WITH_BASIS = List.of("klt:step=0.5", "klt:step=1", "klt:step=2", "klt:step=4");

    private CodecSweep() {}

    /**
     * Every codec that this installation has, at rates from careful to hard.
     *
     * @param basis digest of a shared basis; empty if there is none
     */
    public static List<CodecSpec> defaults(Optional<String> basis) {
        Set<String> installed = Codecs.all().stream().map(CodecFactory::name).collect(Collectors.toSet());
        List<CodecSpec> sweep = new ArrayList<>();
        for (String text : SPECS) {
            CodecSpec spec = CodecSpec.parse(text);
            if (installed.contains(spec.name()) && hasParameters(spec)) {
                sweep.add(spec);
            }
        }
        if (basis.isPresent() && installed.contains("klt")) {
            WITH_BASIS.forEach(text -> sweep.add(CodecSpec.parse(text).with("basis", basis.get())));
        }
        return List.copyOf(sweep);
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
