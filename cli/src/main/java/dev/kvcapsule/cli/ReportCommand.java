package dev.kvcapsule.cli;

import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.linalg.ProgressListener;
import dev.kvcapsule.engine.pipeline.PipelineOptions;
import dev.kvcapsule.engine.pipeline.Progress;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.AtomicOutput;
import dev.kvcapsule.serving.files.FolderBases;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.llamacpp.runtime.LibLlama;
import dev.kvcapsule.serving.report.FidelityMeter;
import dev.kvcapsule.serving.report.FidelityReport;
import dev.kvcapsule.serving.report.JudgeModel;
import dev.kvcapsule.serving.report.ReportOrigin;
import dev.kvcapsule.serving.report.ReportPage;
import dev.kvcapsule.serving.report.StateFidelity;
import dev.kvcapsule.serving.report.StateInput;
import dev.kvcapsule.serving.report.StateJudge;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Ratio against damage of every codec, as a page. */
@Command(name = "report", mixinStandardHelpOptions = true, sortOptions = false,
        description = "Measures ratio against damage of every codec on your own states, and makes one HTML page of it, with plots.",
        footerHeading = "%nExamples:%n", footer = {"  capsule report slot.bin -o report.html --model-facts FACTS       errors only; no model is asked",
            "  capsule report slot.bin -o report.html --model model.gguf          recall: the model repeats its context",
            "  capsule report slot.bin -o report.html --model model.gguf --text text.txt --recall",
            "  capsule report slot.bin -o report.html --codec kivi:bits=4 --codec rotated:bits=3 --json", "",
            "CAPSULE_LIBLLAMA names the folder of libllama, with which the model is asked. A sweep of 4,096 tokens takes minutes."})
final class ReportCommand implements Callable<Integer> {
    @Parameters(paramLabel = "STATE", arity = "0..*", description = "Saved states; - is standard input.")
    private List<Path> states = new ArrayList<>();

    @Option(names = {"-o", "--output"}, paramLabel = "REPORT.html", required = true, description = "The page; - is standard output.")
    private Path output;

    @Option(names = "--codec", paramLabel = "SPEC", description = "A codec to try, NAME:key=value,...; may be given more than once (default: a sweep over all there are).")
    private List<String> codecs = new ArrayList<>();

    @Option(names = "--text", paramLabel = "FILE", arity = "1..*", description = "The text that each state was made from, and what comes next in it; one for each STATE, in "
            + "the same order. Without it, the model is given its own context again (recall).")
    private List<Path> texts = new ArrayList<>();

    @Option(names = "--judge", paramLabel = "N", description = "Predictions of the model to compare (default: 512, or as many as there are); 0 asks no model.")
    private Integer judge;

    @Option(names = "--recall", description = "Measure recall too where there is a text.")
    private boolean recall;

    @Mixin
    private ModelOptions model;

    @Mixin
    private BasisOptions basis;

    @Mixin
    private CommonOptions options;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        boolean judged = check();
        ModelFacts facts = model.facts();
        long start = System.nanoTime();
        try (FolderBases bases = basis.open(states.getFirst()); ProgressBar bar = ProgressBar.start("report", options.err()); AtomicOutput out = output();
                JudgeModel asked = judged ? JudgeModel.open(model.file(), options.threads()) : null) {
            ReportCodecs chosen = ReportCodecs.of(codecs, basis.digests(), bases);
            List<CodecSpec> sweep = chosen.sweep();
            PipelineOptions pipeline = options.pipeline(sweep.getFirst(), Long.MAX_VALUE, Progress.NONE, bases);
            List<Optional<StateJudge>> plans = plans(asked, facts);
            List<StateFidelity> measured = new ArrayList<>();
            try (FidelityMeter meter = new FidelityMeter(pipeline)) {
                for (int i = 0; i < states.size(); i++) {
                    double before = i;
                    measured.add(measure(meter, i, facts, sweep, asked, plans, (stage, done) -> bar.stage(stage, (before + done) / states.size())));
                }
            }
            FidelityReport report = new FidelityReport(measured, new ReportOrigin(new ReportFacts(spec, options, model.file(), chosen.bases(), asked).of(pipeline)));
            int bytes = write(ReportPage.of(report), out);
            bar.clear();
            measured.forEach(state -> state.skipped().forEach(skipped ->
                    options.err().println("capsule: note: " + state.name() + ": " + skipped.codec() + " left out: " + skipped.reason())));
            new ReportSummary(report, options).print(Inputs.isStandardOutput(output) ? null : output, bytes, (System.nanoTime() - start) / 1e9);
        }
        return ExitCode.DONE;
    }

    /** @return whether the model is asked */
    private boolean check() {
        if (states.isEmpty()) {
            throw new Failures.UsageException("which states? Name them before --text");
        }
        if (states.stream().filter(Inputs::isStandard).count() > 0 && states.size() > 1) {
            throw new Failures.UsageException("standard input can be the only state, not one of " + states.size());
        }
        if (Inputs.isStandardOutput(output) && options.json()) {
            throw new Failures.UsageException("--json and the page cannot both go to standard output");
        }
        if (!texts.isEmpty() && texts.size() != states.size()) {
            throw new Failures.UsageException("there are " + states.size() + " states and " + texts.size() + " texts: give one text for each state");
        }
        if (judge != null && judge < 0) {
            throw new Failures.UsageException("--judge " + judge + " is negative");
        }
        boolean none = judge != null && judge == 0;
        boolean wanted = !texts.isEmpty() || recall || judge != null && judge > 0;
        if (none && (!texts.isEmpty() || recall)) {
            throw new Failures.UsageException("--judge 0 asks no model; leave --text and --recall out");
        }
        if (wanted && model.file() == null) {
            throw new Failures.UsageException("--text, --recall and --judge ask a model: name it by --model");
        }
        if (none || model.file() == null) {
            return false;
        }
        if (LibLlama.configured().isEmpty()) {
            if (wanted) {
                throw new Failures.UsageException("asking the model needs libllama: " + LibLlama.VARIABLE + " names its folder");
            }
            options.err().println("capsule: note: " + LibLlama.VARIABLE + " names no folder of libllama, so the model is not asked; the page shows errors alone");
            return false;
        }
        return true;
    }

    /** What is asked about each state, all before the first is measured: whoever named a wrong text hears of it in seconds, not in an hour. */
    private List<Optional<StateJudge>> plans(JudgeModel asked, ModelFacts facts) throws IOException {
        List<Optional<StateJudge>> plans = new ArrayList<>();
        for (int i = 0; i < states.size(); i++) {
            Path state = states.get(i);
            if (asked == null || Inputs.isStandard(state)) {
                // Standard input can be read only once: it is planned when it is measured.
                plans.add(Optional.empty());
                continue;
            }
            try (InputFile in = Inputs.open(state)) {
                plans.add(Optional.of(plan(asked, new StateInput(Inputs.name(state), in.bytes().byteSize(), Inputs.read(in, state, facts), facts), i)));
            }
        }
        return plans;
    }

    private StateJudge plan(JudgeModel asked, StateInput state, int index) throws IOException {
        Optional<Path> text = texts.isEmpty() ? Optional.empty() : Optional.of(texts.get(index));
        try {
            return Inputs.about(state.name(), () -> asked.plan(state, text, judge == null ? OptionalInt.empty() : OptionalInt.of(judge), recall));
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException(state.name() + ": " + e.getMessage());
        }
    }

    private StateFidelity measure(FidelityMeter meter, int index, ModelFacts facts, List<CodecSpec> sweep, JudgeModel asked, List<Optional<StateJudge>> plans,
            ProgressListener progress) throws IOException {
        Path state = states.get(index);
        try (InputFile in = Inputs.open(state)) {
            String name = Inputs.isStandard(state) ? Inputs.name(state) : state.getFileName().toString();
            StateInput input = new StateInput(name, in.bytes().byteSize(), Inputs.read(in, state, facts), facts);
            Optional<StateJudge> plan = asked != null && plans.get(index).isEmpty() ? Optional.of(plan(asked, input, index)) : plans.get(index);
            return Inputs.about(Inputs.name(state), () -> meter.measure(input, sweep, plan, progress));
        }
    }

    /** Opened before anything is measured, so that a folder that is not there is not found out at the end. */
    private AtomicOutput output() throws IOException {
        return Inputs.isStandardOutput(output) ? null : AtomicOutput.create(output);
    }

    private int write(String page, AtomicOutput out) throws IOException {
        byte[] bytes = page.getBytes(StandardCharsets.UTF_8);
        return Inputs.writing(output, () -> {
            if (out == null) {
                options.out().print(page);
                options.out().flush();
                return bytes.length;
            }
            ByteBuffer rest = ByteBuffer.wrap(bytes);
            while (rest.hasRemaining()) {
                Inputs.marked(out.channel()).write(rest);
            }
            out.commit();
            return bytes.length;
        });
    }
}
