package dev.kvcapsule.engine.kernel;

import jdk.incubator.vector.ByteVector;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Skips a class where the vector width that the build asks for is wider than this machine's vectors, or where the device that it asks for is not there. */
final class AvailableWidth implements ExecutionCondition {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        String device = System.getProperty(Parity.DEVICE);
        if (device != null) {
            String why = Devices.provider(device).map(DeviceProvider::whyNot).orElse(null);
            return why == null ? ConditionEvaluationResult.enabled("kernels of " + device) : ConditionEvaluationResult.disabled(why);
        }
        int widest = ByteVector.SPECIES_PREFERRED.vectorBitSize();
        int wanted = Integer.getInteger(VectorWidth.PROPERTY, widest);
        return wanted <= widest
                ? ConditionEvaluationResult.enabled(wanted + "-bit vectors")
                : ConditionEvaluationResult.disabled("vectors have " + widest + " bits here, " + wanted + " were asked for");
    }
}
