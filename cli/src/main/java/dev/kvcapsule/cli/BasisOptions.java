package dev.kvcapsule.cli;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.engine.calibration.CalibrationFactory;
import dev.kvcapsule.engine.calibration.Calibrations;
import dev.kvcapsule.serving.files.FolderBases;
import dev.kvcapsule.serving.files.InputFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Where shared bases are. */
final class BasisOptions {
    @Option(names = "--basis", paramLabel = "B.kvb", description = "A shared basis, from 'capsule calibrate'; may be given more than once. The folder of the capsule, and "
            + "bases/ in CAPSULE_HOME, are searched anyway.")
    private List<Path> files = new ArrayList<>();

    /** The digest of the basis to encode with; empty if none was named. */
    Optional<String> digest() throws IOException {
        if (files.isEmpty()) {
            return Optional.empty();
        }
        if (files.size() > 1) {
            throw new Failures.UsageException("--basis names " + files.size() + " bases; one capsule is encoded with one");
        }
        return Optional.of(digest(files.getFirst()));
    }

    /** The codec that the basis to encode with is for; empty if none was named. */
    Optional<String> codec() throws IOException {
        return files.isEmpty() ? Optional.empty() : Optional.of(codec(files.getFirst()));
    }

    private static String digest(Path file) throws IOException {
        codec(file);
        return Inputs.about(file.toString(), () -> FolderBases.digest(file));
    }

    /** @throws MalformedDataException if it is no basis */
    private static String codec(Path file) throws IOException {
        try (InputFile in = InputFile.open(file)) {
            return Calibrations.recognise(in.bytes()).map(CalibrationFactory::codec)
                    .orElseThrow(() -> new MalformedDataException(file + ": offset 0, magic: not a basis file; 'capsule calibrate' makes one"));
        }
    }

    /** Digests of all that were named, in order. */
    List<String> digests() throws IOException {
        List<String> digests = new ArrayList<>();
        for (Path file : files) {
            digests.add(digest(file));
        }
        return digests;
    }

    /** @param capsule beside which bases may lie; {@code -} is a stream */
    FolderBases open(Path capsule) {
        List<Path> folders = new ArrayList<>();
        Path folder = Inputs.isStandard(capsule) ? null : capsule.toAbsolutePath().getParent();
        if (folder != null) {
            folders.add(folder);
        }
        folders.add(home().resolve("bases"));
        return new FolderBases(files, folders);
    }

    /** The folder of what this program keeps: {@code CAPSULE_HOME}, or the place for data of the XDG Base Directory Specification. */
    static Path home() {
        String named = System.getenv("CAPSULE_HOME");
        if (named != null && !named.isEmpty()) {
            return Path.of(named);
        }
        String data = System.getenv("XDG_DATA_HOME");
        Path base = data != null && Path.of(data).isAbsolute() ? Path.of(data) : Path.of(System.getProperty("user.home"), ".local", "share");
        return base.resolve("kvcapsule");
    }
}
