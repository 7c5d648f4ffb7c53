package dev.kvcapsule.cli;

import dev.kvcapsule.engine.CapsuleRefusedException;
import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.RefusalCode;
import dev.kvcapsule.engine.calibration.BasisDescription;
import dev.kvcapsule.engine.calibration.CalibrationFactory;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.engine.keys.VerificationKeys;
import dev.kvcapsule.engine.seal.FileSignature;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/** Checks a shared basis: that it is whole, and who has signed it. */
final class BasisVerification {
    private BasisVerification() {}

    /** Whether a file is a basis. */
    static boolean isBasis(Path file) throws IOException {
        if (Inputs.isStandard(file) || !Files.isRegularFile(file)) {
            return false;
        }
        try (InputFile in = Inputs.open(file)) {
            return Calibrations.recognise(in.bytes()).isPresent();
        }
    }

    /**
     * Checks and reports.
     *
     * @param keys whose signature must be beside it; empty to check the file alone
     */
    static void run(Path file, Optional<VerificationKeys> keys, CommonOptions options) throws IOException {
        long start = System.nanoTime();
        BasisDescription basis;
        try (InputFile in = Inputs.open(file)) {
            CalibrationFactory factory = Calibrations.recognise(in.bytes()).orElseThrow(() -> new MalformedDataException("is no basis any more"));
            basis = Inputs.about(file.toString(), () -> factory.describe(in.bytes()));
        }
        List<String> signedBy = keys.isPresent() ? signedBy(file, basis, keys.get()) : List.of();
        double seconds = (System.nanoTime() - start) / 1e9;
        if (options.json()) {
            options.out().println(new JsonReport().put("basis", basis.digest()).put("codec", basis.codec()).put("bytes", basis.bytes()).put("signed_by", signedBy).put("seconds", seconds));
            return;
        }
        options.out().printf(Locale.ROOT, "%s: good; basis %s for codec %s, %s, %.2f s%n", file, basis.digest(), basis.codec(),
                signedBy.isEmpty() ? "signatures not checked" : "signed by " + String.join(", ", signedBy), seconds);
    }

    private static List<String> signedBy(Path file, BasisDescription basis, VerificationKeys keys) throws IOException {
        Path beside = BasisSigner.beside(file);
        if (!Files.isRegularFile(beside)) {
            throw new CapsuleRefusedException(RefusalCode.UNSEALED, file + ": has no signature: there is no " + beside.getFileName() + " beside it; --unsealed checks the file alone");
        }
        try (InputFile in = Inputs.open(beside)) {
            return Inputs.about(beside.toString(), () -> {
                if (in.bytes().byteSize() > FileSignature.MAX_BYTES) {
                    throw new MalformedDataException("is too long for a signature");
                }
                return FileSignature.verify(in.bytes().toArray(ValueLayout.JAVA_BYTE), HexFormat.of().parseHex(basis.digest()), keys, Instant.now());
            });
        }
    }
}
