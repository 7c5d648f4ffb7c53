package dev.kvcapsule.engine.kernel;

import jdk.incubator.vector.ByteVector;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Skips a class where the vector width that the build asks for is wider than this machine's vectors. */
final class AvailableWidth implements ExecutionCondition {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        int widest = ByteVector.SPECIES_PREFERRED.vectorBitSize();
        int wanted = Integer.getInteger(VectorWidth.PROPERTY, widest);
        return wanted <= widest
                ? ConditionEvaluationResult.enabled(wanted + "-bit vectors")
                : ConditionEvaluationResult.disabled("vectors have " + widest + " bits here, " + wanted + " were asked for");
    }
}
