package dev.kvcapsule.serving.report;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.cache.KvCache;
import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import dev.kvcapsule.engine.compare.CacheComparison;
import dev.kvcapsule.engine.compare.LayerDifference;
import dev.kvcapsule.engine.format.CapsuleReader;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.engine.pipeline.CapsuleEncoder;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.serving.CacheFormats;
import dev.kvcapsule.serving.files.CapsuleFiles;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.files.TemporaryFolder;
import dev.kvcapsule.serving.llamacpp.GgsqFormat;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Encodes states to capsules in temporary files, decodes them, and measures what that cost. Capsules are made by the very calls that the command makes, so
 * that every byte of a file counts. Not thread-safe.
 */
public final class FidelityMeter implements AutoCloseable {
    /** Times are the best of this many runs, since the first ones of a JVM are not compiled yet. */
    private static final int RUNS = 3;

    /** No further run once those before took this long together. */
    private static final double LONG_SECONDS = 10;

    private final TemporaryFolder folder;
    private final PipelineOptions options;

    /** @param options threads, kernels and shared bases of all codecs; its listener hears nothing */
    public FidelityMeter(PipelineOptions options) throws IOException {
        this.folder = TemporaryFolder.create("report");
        this.options = new PipelineOptions(options.threads(), options.kernels(), Progress.NONE, options.bases());
    }

    /**
     * Measures codecs on a state.
     *
     * @param judge what a model is asked about it; empty if there is none
     * @param progress hears of every codec, and of what is done with it
     * @throws CapsuleRefusedException if the model does not take the state, or no codec at all can code it: a shared basis is missing or of another model
     * @throws UnsupportedOperationException if no codec at all can code it, or llama.cpp's format cannot hold it for the model
     */
    public StateFidelity measure(StateInput state, List<CodecSpec> codecs, Optional<StateJudge> judge, ProgressListener progress) throws IOException {
        List<Measurement> measurements = new ArrayList<>();
        List<StateFidelity.Skipped> skipped = new ArrayList<>();
        String format = judge.isEmpty() ? null : GgsqFormat.NAME;
        progress.update("untouched", 0);
        try (JudgeModel.Session session = judge.isEmpty() ? null : judge.get().open(untouched(state))) {
            for (CodecSpec codec : codecs) {
                double done = (double) measurements.size() + skipped.size();
                try {
                    measurements.add(measure(state, codec, format, session, (stage, share) ->
                            progress.update(CodecFamily.shortened(codec) + ", " + stage, (done + share) / codecs.size())));
                } catch (UnsupportedOperationException | CapsuleRefusedException e) {
                    if (skipped.size() == codecs.size() - 1) {
                        throw e;
                    }
                    skipped.add(new StateFidelity.Skipped(codec, String.valueOf(e.getMessage())));
                }
            }
        } finally {
            for (String file : List.of("untouched.ggsq", "capsule", "decoded")) {
                Files.deleteIfExists(folder.resolve(file));
            }
        }
        return new StateFidelity(state.name(), state.cache().layout().tokens(), state.cache().layout().layers(), state.bytes(), measurements, skipped,
                judge.map(StateJudge::description).orElse(""));
    }

    /** The state as a GGSQ file, which is what llama.cpp loads; whatever it came in, and from whatever stream. */
    private Path untouched(StateInput state) throws IOException {
        Path capsule = folder.resolve("capsule");
        Path file = folder.resolve("untouched.ggsq");
        encode(state.cache(), Codecs.create("raw"), capsule);
        decode(capsule, GgsqFormat.NAME, file);
        return file;
    }

    private Measurement measure(StateInput state, CodecSpec spec, String format, JudgeModel.Session session, ProgressListener progress) throws IOException {
        Codec codec = Codecs.create(spec);
        Path capsule = folder.resolve("capsule");
        Path decoded = folder.resolve("decoded");
        progress.update("encoding", 0);
        double encode = seconds(() -> encode(state.cache(), codec, capsule));
        progress.update("decoding", 0.3);
        double decode = seconds(() -> decode(capsule, format, decoded));
        progress.update("comparing", 0.4);
        long bytes = Files.size(capsule);
        CacheComparison comparison;
        try (InputFile in = InputFile.open(decoded)) {
            comparison = CacheComparison.of(state.cache(), CacheFormats.read(in.bytes(), state.facts()), options.kernels(), Progress.NONE);
        }
        progress.update("judging", 0.5);
        double attention = comparison.layers().stream().mapToDouble(LayerDifference::attention).filter(error -> !Double.isNaN(error)).average().orElse(Double.NaN);
        return new Measurement(spec, state.bytes(), bytes, (double) state.bytes() / bytes, comparison.keys().relativeError(), comparison.values().relativeError(),
                attention, encode, decode, session == null ? Optional.empty() : session.continuation(decoded),
                session == null ? Optional.empty() : session.recall(decoded));
    }

    private void encode(KvCache cache, Codec codec, Path capsule) throws IOException {
        try (FileChannel out = open(capsule)) {
            CapsuleEncoder.encode(cache, codec, out, options);
        }
    }

    private void decode(Path capsule, String format, Path state) throws IOException {
        try (InputFile in = InputFile.open(capsule); FileChannel out = open(state)) {
            CapsuleFiles.decode(CapsuleReader.of(in.bytes()), Optional.ofNullable(format), OptionalInt.empty(), out, options);
        }
    }

    /** Not flushed to the disk, whose speed is nothing that a codec could help. */
    private static FileChannel open(Path file) throws IOException {
        return FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.TRUNCATE_EXISTING, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }

    /** Work that is timed. */
    private interface Work {
        void run() throws IOException;
    }

    private static double seconds(Work work) throws IOException {
        double best = Double.POSITIVE_INFINITY;
        double all = 0;
        for (int run = 0; run < RUNS && all < LONG_SECONDS; run++) {
            long start = System.nanoTime();
            work.run();
            double seconds = (System.nanoTime() - start) / 1e9;
            best = Math.min(best, seconds);
            all += seconds;
        }
        return best;
    }

    /** Removes the temporary files. */
    @Override
    public void close() {
        folder.close();
    }
}
