package dev.kvcapsule.serving.report;

import java.io.IOException;
import java.nio.file.Path;

/** What a model is going to be asked about one state. */
public final class StateJudge {
    private final JudgeModel model;
    private final JudgePlan plan;

    StateJudge(JudgeModel model, JudgePlan plan) {
        this.model = model;
        this.plan = plan;
    }

    /** What is asked, in a sentence. */
    public String description() {
        return plan.description();
    }

    JudgeModel.Session open(Path untouched) throws IOException {
        return model.open(plan, untouched);
    }
}
