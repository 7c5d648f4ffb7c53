package dev.kvcapsule.store;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Which segments a folder has. */
final class Segments {
    private Segments() {}

    /** Numbers, rising. */
    static List<Integer> list(Path folder) throws IOException {
        List<Integer> numbers = new ArrayList<>();
        if (Files.isDirectory(folder)) {
            try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*.seg")) {
                for (Path file : files) {
                    int number = Segment.number(file);
                    if (number >= 0) {
                        numbers.add(number);
                    }
                }
            }
        }
        numbers.sort(null);
        return numbers;
    }

    /** What a segment holds, by its index or else by its records. @return empty if it is not there any more */
    static Optional<List<Segment.Entry>> entries(Path folder, int number) throws IOException {
        Path file = Segment.file(folder, number);
        try {
            Optional<List<Segment.Entry>> indexed = SegmentIndex.read(file);
            if (indexed.isPresent()) {
                return indexed;
            }
            try (Segment segment = Segment.openForReading(file)) {
                return Optional.of(segment.scan(false));
            }
        } catch (NoSuchFileException e) {
            return Optional.empty();
        }
    }
}
