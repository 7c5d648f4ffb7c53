package dev.kvcapsule.cli;

import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.serving.report.JudgeModel;
import dev.kvcapsule.serving.report.Processor;
import java.nio.file.Path;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.CommandSpec;

/**
 * What a report says of where it comes from.
 *
 * @param spec the command's
 * @param options its common options
 * @param model the model's file; null if none was named
 * @param bases shared bases: the codec that each is for, by its digest
 * @param asked the model that was asked; null if none was
 */
record ReportFacts(CommandSpec spec, CommonOptions options, Path model, Map<String, String> bases, JudgeModel asked) {
    Map<String, String> of(PipelineOptions pipeline) {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("Command", "capsule " + spec.root().commandLine().getParseResult().originalArgs().stream().map(ReportFacts::quoted).collect(Collectors.joining(" ")));
        facts.put("Date", DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm 'UTC'", Locale.ROOT).format(ZonedDateTime.now(ZoneOffset.UTC)));
        facts.put("Machine", Processor.name() + ", " + Runtime.getRuntime().availableProcessors() + " processors, threads used: " + pipeline.threads() + ", "
                + System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        facts.put("Java", Runtime.version() + ", kernels " + pipeline.kernels().name());
        facts.put("Version", String.join(" ", spec.root().version()));
        facts.put("Model", model == null ? "not named" : model.getFileName() + (asked == null ? ", header only" : ", asked by libllama " + asked.libraryVersion()));
        if (!bases.isEmpty()) {
            facts.put("Basis", String.join(", ", bases.keySet()) + "; shared by all capsules of a model, so that its bytes are in no ratio; made of the same text, it would flatter");
        }
        facts.put("Ratio", "bytes of the state's file over bytes of the capsule's, with everything in it but a shared basis");
        facts.put("Errors", "root of summed squared differences over summed squares, over all layers; of attention outputs the mean over the layers, for made-up queries with a fixed seed");
        facts.put("Times", "wall time from memory to a file and back, not flushed to the disk, best of up to three runs; encoding decodes what it wrote");
        return facts;
    }

    /** As a shell would want it. */
    static String quoted(String argument) {
        return argument.matches("[A-Za-z0-9_@%+=:,./-]+") ? argument : "'" + argument.replace("'", "'\\''") + "'";
    }
}
