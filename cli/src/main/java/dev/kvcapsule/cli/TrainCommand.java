package dev.kvcapsule.cli;

import dev.kvcapsule.engine.kernel.Kernels;
import dev.kvcapsule.serving.files.TemporaryFolder;
import dev.kvcapsule.testdata.Samples;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/**
 * What an AOT cache is trained on: every command on the sample, so that its classes and profiles are those of real work; where the Vector API is there,
 * what is started with it.
 */
@Command(name = "train", hidden = true, description = "Runs the other commands on the sample; for making an AOT cache.")
final class TrainCommand implements Callable<Integer> {
    private static final int ROUNDS = 6;

    @Option(names = "--sessions", description = "Sessions, too: they are made in CAPSULE_HOME, which is to be a folder of its own with a database.")
    private boolean sessions;

    @Override
    public Integer call() throws IOException {
        Path state = Files.createTempFile("kvcapsule-train", ".ggsq");
        Path capsule = Files.createTempFile("kvcapsule-train", ".kvc");
        Path restored = Files.createTempFile("kvcapsule-train", ".restored");
        try {
            Files.delete(state);
            try (InputStream sample = Samples.smollm2Code512()) {
                Files.copy(sample, state);
            }
            if (Kernels.whyNotPanama() == null) {
                // Such a JVM is started for this codec; its kernels' profiles would only be diluted by others.
                run("encode", state.toString(), "-o", capsule.toString(), "--profile", Profile.SMALL.label(), "--model-facts", Samples.SMOLLM2_FACTS, "--unsealed");
                for (int round = 0; round < ROUNDS; round++) {
                    run("decode", capsule.toString(), "-o", restored.toString(), "--unsealed");
                }
                return ExitCode.DONE;
            }
            for (Profile profile : List.of(Profile.EXACT, Profile.FAST, Profile.BALANCED)) {
                run("encode", state.toString(), "-o", capsule.toString(), "--profile", profile.label(), "--model-facts",
                        Samples.SMOLLM2_FACTS, "--unsealed");
                for (int round = 0; round < (profile == Profile.FAST ? ROUNDS : 1); round++) {
                    run("decode", capsule.toString(), "-o", restored.toString(), "--unsealed");
                }
                run("decode", capsule.toString(), "-o", restored.toString(), "--json", "--tokens", "64", "--unsealed");
                run("verify", capsule.toString(), "--unsealed");
            }
            run("inspect", capsule.toString());
            run("doctor", "--json");
            try (TemporaryFolder folder = TemporaryFolder.create("train")) {
                Path keys = folder.resolve("keys");
                seal(state, capsule, restored, keys.toString());
                if (sessions) {
                    sessions(state, keys, folder.resolve("token"));
                }
            }
        } finally {
            Files.deleteIfExists(state);
            Files.deleteIfExists(capsule);
            Files.deleteIfExists(restored);
        }
        return ExitCode.DONE;
    }

    private static void seal(Path state, Path capsule, Path restored, String keys) {
        run("keys", "new", "--tenant", "train", "--keys", keys);
        run("encode", state.toString(), "-o", capsule.toString(), "--profile", "fast", "--model-facts", Samples.SMOLLM2_FACTS, "--keys", keys, "--scope", "org=train,user=train");
        for (int round = 0; round < ROUNDS; round++) {
            run("decode", capsule.toString(), "-o", restored.toString(), "--keys", keys, "--as", "org=train,user=train");
        }
        run("verify", capsule.toString(), "--keys", keys);
        run("inspect", capsule.toString());
    }

    private static void sessions(Path state, Path keys, Path token) throws IOException {
        Files.writeString(token, "train");
        try (TrainingGateway gateway = new TrainingGateway(state, keys)) {
            for (int round = 0; round < 2; round++) {
                run("checkpoint", "--session", "train", "--objective", "train", "--gateway", gateway.address().toString(), "--token-file", token.toString());
                run("status");
                run("status", "train");
                run("resume", "train");
                run("sessions", "list");
                run("sessions", "show", "train");
            }
        }
    }

    private static void run(String... args) {
        if (Main.run(args) != ExitCode.DONE) {
            throw new IllegalStateException(String.join(" ", args) + " failed");
        }
    }
}
