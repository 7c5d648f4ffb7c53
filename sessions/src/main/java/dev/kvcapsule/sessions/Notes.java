package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.fields.Fields;
import dev.kvcapsule.sessions.fields.TextYaml;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What an agent writes down of its work, in a YAML file: {@code objective}, {@code plan}, {@code jobs}, {@code artifacts} (paths), {@code decisions}, {@code issues},
 * {@code next_actions}; each may be left out. docs/resume.md has an example.
 *
 * @param objective what the session is for
 * @param plan steps, in order
 * @param jobs that were submitted
 * @param artifacts paths of files that matter
 * @param decisions that were made
 * @param issues that are known
 * @param nextActions what to do next, in order
 */
public record Notes(Optional<String> objective, List<Step> plan, List<Job> jobs, List<String> artifacts, List<Decision> decisions, List<Issue> issues, List<String> nextActions) {
    /** Nothing. */
    public static final Notes NONE = new Notes(Optional.empty(), List.of(), List.of(), List.of(), List.of(), List.of(), List.of());

    /** Larger notes are not read. */
    public static final int MAX_BYTES = 4 << 20;

    /** Copies the lists. */
    public Notes {
        plan = List.copyOf(plan);
        jobs = List.copyOf(jobs);
        artifacts = List.copyOf(artifacts);
        decisions = List.copyOf(decisions);
        issues = List.copyOf(issues);
        nextActions = List.copyOf(nextActions);
    }

    /**
     * Reads notes.
     *
     * @param yaml the file's text, at most {@link #MAX_BYTES} characters
     * @throws MalformedDataException if it is not YAML of that form, naming the field
     */
    public static Notes parse(String yaml) throws MalformedDataException {
        if (yaml.length() > MAX_BYTES) {
            throw new MalformedDataException("larger than " + MAX_BYTES + " bytes");
        }
        Object document = TextYaml.read(yaml);
        Fields fields = new Fields(document == null ? Map.of() : document, "state");
        Notes notes = of(fields, fields.texts("artifacts"));
        fields.end();
        return notes;
    }

    static Notes of(Fields fields, List<String> artifacts) throws MalformedDataException {
        return new Notes(fields.text("objective"), fields.list("plan", Step::read), fields.list("jobs", Job::read), artifacts, fields.list("decisions", Decision::read),
                fields.list("issues", Issue::read), fields.texts("next_actions"));
    }

    /** The same with another objective. */
    public Notes withObjective(String text) {
        return new Notes(Optional.of(text), plan, jobs, artifacts, decisions, issues, nextActions);
    }
}
