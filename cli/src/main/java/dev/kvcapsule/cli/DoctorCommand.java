package dev.kvcapsule.cli;

import dev.kvcapsule.engine.codec.CodecFactory;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.kernel.DeviceProvider;
import dev.kvcapsule.engine.kernel.Devices;
import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.engine.linalg.LinearAlgebra;
import dev.kvcapsule.engine.linalg.LinearAlgebras;
import dev.kvcapsule.engine.seal.CryptoProvider;
import dev.kvcapsule.serving.llamacpp.runtime.LibLlama;
import dev.kvcapsule.serving.llamacpp.runtime.LlamaException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Says what is used on this machine, and why not the better one. */
@Command(name = "doctor", mixinStandardHelpOptions = true, description = "Shows what is used on this machine, and why not the better one.",
        footerHeading = "%nExamples:%n", footer = {"  capsule doctor", "  CAPSULE_LIBLLAMA=folder capsule doctor --json"})
final class DoctorCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions options;

    private record Finding(String name, String state, String detail) {}

    @Override
    public Integer call() {
        List<Finding> findings = new ArrayList<>();
        findings.add(new Finding("java", System.getProperty("java.version"), System.getProperty("java.vm.name") + ", " + System.getProperty("java.home")));
        findings.add(new Finding("machine", System.getProperty("os.arch"), Runtime.getRuntime().availableProcessors() + " processors, heap of at most "
                + Sizes.text(Runtime.getRuntime().maxMemory())));
        findings.add(kernels());
        findings.add(aotCache());
        findings.add(new Finding("codecs", String.valueOf(Codecs.all().size()), Codecs.all().stream().map(CodecFactory::name).collect(Collectors.joining(", "))));
        findings.add(cuda());
        findings.add(linearAlgebra());
        findings.add(crypto());
        findings.add(libllama());
        if (options.json()) {
            JsonReport json = new JsonReport();
            for (Finding finding : findings) {
                json.put(finding.name(), fields(finding));
            }
            options.out().println(json);
        } else {
            for (Finding finding : findings) {
                options.out().printf("%-9s %-10s %s%n", finding.name(), finding.state(), finding.detail());
            }
        }
        return ExitCode.DONE;
    }

    private static Map<String, Object> fields(Finding finding) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("state", finding.state());
        fields.put("detail", finding.detail());
        return fields;
    }

    private static Finding kernels() {
        String why = Kernels.whyNotPanama();
        Kernels best = ColdStart.kernels(Long.MAX_VALUE);
        String detail = why == null ? "Vector API, " + Kernels.vectorBits() + "-bit vectors" : "Panama kernels cannot be used: " + why;
        if (Kernels.isForced()) {
            detail += "; forced by " + Kernels.PROPERTY;
        } else if (why == null) {
            detail += "; one-off commands on less than 512 MB use scalar kernels, which need no warming up";
        }
        return new Finding("kernels", best.name(), detail);
    }

    private static Finding aotCache() {
        String cache = System.getProperty("kvcapsule.aot", "");
        boolean used = !cache.isEmpty() && Files.exists(Path.of(cache));
        return new Finding("aot", used ? "yes" : "no", used ? "starts from " + cache : "no AOT cache: starting takes longer; ./capsule makes one when it builds");
    }

    private static Finding cuda() {
        DeviceProvider cuda = Devices.provider("cuda").orElse(null);
        String why = cuda == null ? "no module for it is on the class path" : cuda.whyNot();
        if (why != null) {
            return new Finding("cuda", "no", why + "; codecs run on the processor");
        }
        Map<String, String> facts = new LinkedHashMap<>(cuda.facts());
        facts.replace("memory", Sizes.text(Long.parseLong(facts.get("memory"))));
        facts.replace("memory_free", Sizes.text(Long.parseLong(facts.get("memory_free"))));
        return new Finding("cuda", "yes", facts.entrySet().stream().map(fact -> fact.getKey().replace('_', ' ') + " " + fact.getValue()).collect(Collectors.joining(", ")));
    }

    private static Finding linearAlgebra() {
        String forced = System.getProperty(LinearAlgebras.PROPERTY);
        try {
            LinearAlgebra best = LinearAlgebras.best(Runtime.getRuntime().availableProcessors());
            String why = LinearAlgebras.whyNotNative();
            String detail = best.description() + ", " + best.threads() + (best.threads() == 1 ? " thread" : " threads");
            if (forced != null) {
                detail += "; forced by " + LinearAlgebras.PROPERTY;
            } else if (why != null) {
                detail += "; no native library: " + why;
            }
            return new Finding("blas", best.name(), detail);
        } catch (IllegalStateException e) {
            return new Finding("blas", "no", e.getMessage());
        }
    }

    private static Finding crypto() {
        String forced = System.getProperty(CryptoProvider.PROPERTY);
        try {
            CryptoProvider best = CryptoProvider.best();
            String why = best.name().equals("jdk") ? "no libcrypto was found: sealing is slow until the JVM has compiled its ciphers" : "the system's libcrypto";
            return new Finding("crypto", best.name(), forced == null ? why : "forced by " + CryptoProvider.PROPERTY);
        } catch (IllegalStateException e) {
            return new Finding("crypto", "no", e.getMessage());
        }
    }

    /** Loads it as everything that runs a model does: a library is of use only with a backend for this processor. */
    private static Finding libllama() {
        if (LibLlama.configured().isEmpty()) {
            return new Finding("libllama", "no", LibLlama.VARIABLE + " names no folder; state files are read and written without it");
        }
        try {
            LibLlama library = LibLlama.load();
            return new Finding("libllama", "yes", library.file() + ", version " + library.version());
        } catch (LlamaException e) {
            return new Finding("libllama", "no", e.getMessage());
        }
    }
}
