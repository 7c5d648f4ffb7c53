package dev.kvcapsule.cli;

import java.time.Duration;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A number and a unit: 90s, 30m, 12h, 7d. */
final class DurationConverter implements ITypeConverter<Duration> {
    DurationConverter() {}

    @Override
    public Duration convert(String text) {
        if (!text.matches("[1-9][0-9]{0,5}[smhd]")) {
            throw new TypeConversionException("'" + text + "' is not a number and s, m, h or d, such as 12h");
        }
        long number = Long.parseLong(text.substring(0, text.length() - 1));
        return switch (text.charAt(text.length() - 1)) {
            case 's' -> Duration.ofSeconds(number);
            case 'm' -> Duration.ofMinutes(number);
            case 'h' -> Duration.ofHours(number);
            default -> Duration.ofDays(number);
        };
    }
}
