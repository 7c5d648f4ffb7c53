package dev.kvcapsule.cli;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.sessions.gateway.GatewayClient;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** A bearer token, on the first line of a file: arguments are everybody's to read. */
final class TokenFile {
    private TokenFile() {}

    static String read(Path file) throws IOException {
        // Not as UTF-8: what is none is no token, and said as such.
        String token = Inputs.about(file.toString(), () -> Files.readString(file, StandardCharsets.ISO_8859_1)).lines().findFirst().orElse("").strip();
        if (!GatewayClient.isToken(token)) {
            throw new MalformedDataException(file + ": a token is one line of printable ASCII");
        }
        return token;
    }
}
