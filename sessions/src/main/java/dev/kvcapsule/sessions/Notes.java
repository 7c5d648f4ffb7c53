package dev.kvcapsule.sessions;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

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

    private static final long MAX_BYTES = 4 << 20;

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
     * Reads the file.
     *
     * @throws MalformedDataException if it is not YAML of that form, naming the field
     * @throws IOException if it cannot be read
     */
    public static Notes read(Path yaml) throws IOException {
        if (Files.size(yaml) > MAX_BYTES) {
            throw new MalformedDataException("larger than " + MAX_BYTES + " bytes");
        }
        Object document;
        try {
            document = new Load(LoadSettings.builder().build()).loadFromString(Files.readString(yaml));
        } catch (YamlEngineException e) {
            throw new MalformedDataException("not YAML: " + e.getMessage());
        }
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
