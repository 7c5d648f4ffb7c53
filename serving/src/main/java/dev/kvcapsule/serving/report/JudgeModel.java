package dev.kvcapsule.serving.report;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.llamacpp.runtime.CacheJudge;
import dev.kvcapsule.serving.llamacpp.runtime.ContextOptions;
import dev.kvcapsule.serving.llamacpp.runtime.LibLlama;
import dev.kvcapsule.serving.llamacpp.runtime.LlamaContext;
import dev.kvcapsule.serving.llamacpp.runtime.LlamaException;
import dev.kvcapsule.serving.llamacpp.runtime.LlamaModel;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;

/** The model that is asked what a decoded cache costs. */
public final class JudgeModel implements AutoCloseable {
    private final LlamaModel model;
    private final int threads;

    private JudgeModel(LlamaModel model, int threads) {
        this.model = model;
        this.threads = threads;
    }

    /**
     * Loads a model with the libllama that {@code CAPSULE_LIBLLAMA} names.
     *
     * @throws LlamaException if it cannot be had
     */
    public static JudgeModel open(Path gguf, int threads) throws IOException {
        return new JudgeModel(LlamaModel.open(LibLlama.load(), gguf), threads);
    }

    /** The library's version, as it says. */
    public String libraryVersion() {
        return model.library().version();
    }

    /**
     * What is to be asked about a state, so that whatever is wrong with it shows before anything is measured.
     *
     * @param text the text that the state was made from, and what comes next; empty if it is not known, and recall is asked for
     * @param tokens predictions to compare; empty for as many as is usual and there are
     * @param recall whether recall is wanted though there is a text
     * @throws IllegalArgumentException if there is too little text or room, or the text is another
     * @throws CapsuleRefusedException if the state is of another model
     */
    public StateJudge plan(StateInput state, Optional<Path> text, OptionalInt tokens, boolean recall) throws IOException {
        int[] known = text.isEmpty() ? null : model.tokenize(read(text.get()));
        JudgePlan plan = JudgePlan.of(state.name(), state.promptTokens(), Math.toIntExact(state.cache().layout().tokens()), known, tokens, recall,
                model.trainedContext(), model.vocabulary());
        return new StateJudge(this, plan);
    }

    private static String read(Path text) throws IOException {
        try {
            return Files.readString(text);
        } catch (CharacterCodingException e) {
            throw new MalformedDataException(text + " is not text in UTF-8");
        }
    }

    /** Asks after the untouched state, which everything is compared with. */
    Session open(JudgePlan plan, Path untouched) throws IOException {
        LlamaContext context = model.context(ContextOptions.of(plan.cells()).withThreads(threads));
        try {
            // llama.cpp says that a state does not fit in words of its own; here it means one thing.
            try {
                context.load(untouched);
            } catch (LlamaException e) {
                throw new CapsuleRefusedException("the state does not fit the model " + model.file().getFileName() + ": " + e.getMessage().replace(untouched.toString(), "it"));
            }
            return new Session(context, judge(context, untouched, plan.continuation()), judge(context, untouched, plan.recall()));
        } catch (IOException | RuntimeException e) {
            context.close();
            throw e;
        }
    }

    private static Optional<CacheJudge> judge(LlamaContext context, Path untouched, int[] tokens) throws IOException {
        return tokens.length == 0 ? Optional.empty() : Optional.of(CacheJudge.of(context, untouched, tokens));
    }

    /** The judges of one state, who take turns on one context. */
    static final class Session implements AutoCloseable {
        private final LlamaContext context;
        private final Optional<CacheJudge> continuation;
        private final Optional<CacheJudge> recall;

        private Session(LlamaContext context, Optional<CacheJudge> continuation, Optional<CacheJudge> recall) {
            this.context = context;
            this.continuation = continuation;
            this.recall = recall;
        }

        Optional<CacheJudge.Verdict> continuation(Path state) throws IOException {
            return continuation.isEmpty() ? Optional.empty() : Optional.of(continuation.get().judge(state));
        }

        Optional<CacheJudge.Verdict> recall(Path state) throws IOException {
            return recall.isEmpty() ? Optional.empty() : Optional.of(recall.get().judge(state));
        }

        @Override
        public void close() {
            continuation.ifPresent(CacheJudge::close);
            recall.ifPresent(CacheJudge::close);
            context.close();
        }
    }

    /** Frees the model. */
    @Override
    public void close() {
        model.close();
    }
}
