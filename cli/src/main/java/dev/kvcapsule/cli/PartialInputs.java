package dev.kvcapsule.cli;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.calibration.Calibration;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.engine.calibration.PartialDescription;
import dev.kvcapsule.engine.calibration.WeightSums;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The inputs of {@code calibrate}, told apart by how they begin.
 *
 * @param states saved states
 * @param partials files of partial sums
 */
record PartialInputs(List<Path> states, List<Path> partials) {
    static PartialInputs of(List<Path> inputs) throws IOException {
        PartialInputs found = new PartialInputs(new ArrayList<>(), new ArrayList<>());
        for (Path input : inputs) {
            try (InputFile in = InputFile.open(input)) {
                (Calibrations.recognisePartial(in.bytes()).isPresent() ? found.partials : found.states).add(input);
            }
        }
        return found;
    }

    /** What the first partial sums say of themselves; the others must agree. */
    Optional<PartialDescription> first() throws IOException {
        if (partials.isEmpty()) {
            return Optional.empty();
        }
        Path file = partials.getFirst();
        try (InputFile in = InputFile.open(file)) {
            return Optional.of(Inputs.about(file.toString(), () -> Calibrations.of("klt").describePartial(in.bytes())));
        }
    }

    /** Adds all partial sums. @return their weights */
    WeightSums addTo(Calibration calibration, ProgressBar bar) throws IOException {
        WeightSums weights = WeightSums.NONE;
        for (Path file : partials) {
            bar.stage("adding " + file.getFileName(), (double) partials.indexOf(file) / partials.size());
            try (InputFile in = InputFile.open(file)) {
                WeightSums before = weights;
                weights = Inputs.about(file.toString(), () -> and(before, calibration.add(in.bytes())));
            }
        }
        return weights;
    }

    static WeightSums and(WeightSums one, WeightSums other) throws CapsuleRefusedException {
        try {
            return one.and(other);
        } catch (IllegalArgumentException e) {
            throw new CapsuleRefusedException(e.getMessage());
        }
    }
}
