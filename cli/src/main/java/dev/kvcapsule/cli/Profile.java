package dev.kvcapsule.cli;

import dev.kvcapsule.engine.codec.Codec;
import dev.kvcapsule.engine.codec.CodecSpec;
import dev.kvcapsule.engine.codec.Codecs;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import picocli.CommandLine;

/** Codecs by what users want. */
enum Profile {
    /** Every bit comes back. */
    EXACT("lossless"),
    /** Memory speed. */
    FAST("kivi:bits=4,residual=32,sink=4,entropy=off"),
    /** A good ratio at a damage that is hard to see. */
    BALANCED("rotated:bits=4"),
    /** The best ratio. */
    SMALL("klt");

    /** The codec whose bases profiles take. */
    static final String BASIS_CODEC = "klt";

    private final String codec;

    Profile(String codec) {
        this.codec = codec;
    }

    String codec() {
        return codec;
    }

    /** The codec where there is a shared basis. */
    String codecWithBasis() {
        return switch (this) {
            case EXACT, FAST -> throw new Failures.UsageException("--profile " + label() + " uses no basis: leave --basis out, or take balanced or small");
            case BALANCED -> "klt:step=1";
            case SMALL -> "klt:step=2";
        };
    }

    /** The codec itself. @param basis digest of the shared basis; empty if there is none */
    Codec codec(Optional<String> basis) {
        if (basis.isEmpty()) {
            return Codecs.create(codec);
        }
        return Codecs.create(CodecSpec.parse(codecWithBasis()).with("basis", basis.get()));
    }

    /** The name that the option takes. */
    String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Reads {@code --profile}. */
    static final class Converter implements CommandLine.ITypeConverter<Profile> {
        @Override
        public Profile convert(String text) {
            for (Profile profile : values()) {
                if (profile.label().equalsIgnoreCase(text)) {
                    return profile;
                }
            }
            throw new CommandLine.TypeConversionException("'" + text + "' is none of " + Stream.of(values()).map(Profile::label).collect(Collectors.joining(", ")));
        }
    }
}
