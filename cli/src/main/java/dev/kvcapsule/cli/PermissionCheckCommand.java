package dev.kvcapsule.cli;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import dev.kvcapsule.sessions.permission.Action;
import dev.kvcapsule.sessions.permission.Arguments;
import dev.kvcapsule.sessions.permission.AuditSink;
import dev.kvcapsule.sessions.permission.Identity;
import dev.kvcapsule.sessions.permission.JsonLinesAudit;
import dev.kvcapsule.sessions.permission.PermissionQuestion;
import dev.kvcapsule.sessions.permission.PermissionSource;
import dev.kvcapsule.sessions.permission.PermissionVerdict;
import dev.kvcapsule.sessions.permission.config.PermissionConfig;
import java.io.IOException;
import java.nio.file.Path;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** One verdict of a policy, as an agent would get it. */
@Command(name = "check", mixinStandardHelpOptions = true, sortOptions = false, description = "Says what a policy makes of one tool call. Nothing is run.",
        footerHeading = "%nExamples:%n", footer = {"  capsule sessions permission check --config policy.yaml --tool kubectl_delete --arg verb=delete",
            "  capsule sessions permission check --config policy.yaml --tool write_file --args '{\"path\": [\"/tmp/a\"]}' --json", "",
            "Exit code 0 if the call may run (also where the mode is observe), 4 if it may not, or not without an answer, 3 if the policy is malformed.", "docs/permissions.md has the policy's schema."})
final class PermissionCheckCommand implements Callable<Integer> {
    @Option(names = "--config", paramLabel = "F.yaml", required = true, description = "The policy.")
    private Path config;

    @Option(names = "--tool", paramLabel = "T", required = true, description = "The tool's name.")
    private String tool;

    @Option(names = "--arg", paramLabel = "K=V", description = "An argument, as text; may be repeated.")
    private List<String> texts = List.of();

    @Option(names = "--args", paramLabel = "JSON", description = "All arguments, as one JSON object.")
    private String object;

    @Option(names = "--scope", paramLabel = "S", description = "The permission scope (default: the policy's).")
    private String scope;

    @Option(names = "--as", paramLabel = "NAME", description = "For whom (default: whoever runs this; with Kagenti the token says who).")
    private String name;

    @Option(names = "--audit", paramLabel = "FILE", description = "Append the record of the verdict to this file, as a line of JSON.")
    private Path audit;

    @Mixin
    private OutputOptions output;

    @Override
    public Integer call() throws IOException {
        PermissionConfig policy = Inputs.about(config.toString(), () -> PermissionConfig.read(config));
        policy.warnings().forEach(warning -> output.err().println("capsule: note: " + warning));
        Arguments arguments = arguments();
        PermissionVerdict verdict;
        if (audit == null) {
            verdict = verdict(policy, arguments, AuditSink.NONE);
        } else {
            try (JsonLinesAudit log = Inputs.about(audit.toString(), () -> new JsonLinesAudit(audit))) {
                verdict = verdict(policy, arguments, log);
            }
        }
        print(verdict, arguments);
        return verdict.action() == Action.ALLOW ? ExitCode.DONE : ExitCode.REFUSED;
    }

    private PermissionVerdict verdict(PermissionConfig policy, Arguments arguments, AuditSink sink) {
        try (PermissionSource source = policy.open(sink, InstantSource.system())) {
            String who = name == null ? System.getProperty("user.name", "nobody") : name;
            if (!Identity.isName(who)) {
                throw new Failures.UsageException("--as takes 1 to " + Identity.MAX_LENGTH + " printable characters");
            }
            Identity started = source.start(Identity.of(who));
            // A name that was given is checked against the token's.
            Identity identity = name == null ? started : new Identity(name, started.tenant());
            return source.resolve(Optional.ofNullable(scope), identity, tool, arguments.values());
        }
    }

    private Arguments arguments() {
        try {
            Map<String, Object> values = object == null ? new LinkedHashMap<>() : Json.readObject(object);
            for (String text : texts) {
                int equals = text.indexOf('=');
                if (equals < 1 || values.put(text.substring(0, equals), text.substring(equals + 1)) != null) {
                    throw new Failures.UsageException("--arg takes NAME=VALUE, each name once");
                }
            }
            return Arguments.of(values);
        } catch (MalformedDataException e) {
            throw new Failures.UsageException((object == null ? "--arg: " : "--args: ") + e.getMessage());
        }
    }

    private void print(PermissionVerdict verdict, Arguments arguments) {
        Optional<PermissionQuestion> question = verdict.action() == Action.ASK ? Optional.of(PermissionQuestion.of(verdict, tool, arguments)) : Optional.empty();
        if (output.json()) {
            output.out().println(new JsonReport().put("action", verdict.action().label()).put("found", verdict.audit().found().label()).put("rule_id", verdict.ruleId())
                    .put("reason", verdict.reason()).put("question", question.map(PermissionQuestion::toMap).orElse(null)).put("audit", verdict.audit().toMap()));
            return;
        }
        output.out().println(verdict.action().label() + (verdict.wouldHaveStopped() ? ", but observed only: would be " + verdict.audit().found().label() : ""));
        output.out().println("rule        " + verdict.ruleId());
        output.out().println("reason      " + verdict.reason());
        question.ifPresent(asked -> output.out().println("question    " + asked.prompt()));
    }
}
