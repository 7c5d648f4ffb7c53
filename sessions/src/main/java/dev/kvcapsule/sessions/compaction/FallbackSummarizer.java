package dev.kvcapsule.sessions.compaction;

import java.io.IOException;
import java.util.Optional;

/** Asks one summarizer, and another one where that cannot; says which it was. For one compaction at a time. */
public final class FallbackSummarizer implements Summarizer {
    private final Summarizer first;
    private final Summarizer second;
    private Summarizer used;
    private Optional<String> note = Optional.empty();

    /** @param second is asked if the first one fails or writes nothing */
    public FallbackSummarizer(Summarizer first, Summarizer second) {
        this.first = first;
        this.second = second;
        this.used = first;
    }

    @Override
    public String summarize(Request request) throws IOException {
        used = first;
        note = Optional.empty();
        try {
            String summary = first.summarize(request);
            if (!summary.isBlank()) {
                return summary;
            }
            note = Optional.of("the model wrote nothing");
        } catch (IOException e) {
            note = Optional.of("the model could not be asked: " + e.getMessage());
        }
        used = second;
        return second.summarize(request);
    }

    @Override
    public String writer() {
        return used.writer();
    }

    @Override
    public Optional<String> note() {
        return note;
    }
}
