package dev.kvcapsule.cli;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.json.Json;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;

/** One run of the command in this process, and what came of it. */
record Run(int exit, String out, String err) {

    static Run of(Object... args) {
        return fed(new byte[0], args);
    }

    /** With these bytes on standard input. */
    static Run fed(byte[] input, Object... args) {
        InputStream in = System.in;
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        System.setIn(new ByteArrayInputStream(input));
        System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
        try {
            String[] words = new String[args.length];
            for (int i = 0; i < args.length; i++) {
                words[i] = args[i].toString();
            }
            int exit = Main.run(words);
            return new Run(exit, outBytes.toString(StandardCharsets.UTF_8), errBytes.toString(StandardCharsets.UTF_8));
        } finally {
            System.setIn(in);
            System.setOut(out);
            System.setErr(err);
        }
    }

    /** Standard output as the one JSON object it must be. */
    Map<String, Object> json() {
        try {
            return Json.readObject(out);
        } catch (MalformedDataException e) {
            throw new AssertionError("not one JSON object: " + out, e);
        }
    }

    /** A member of the JSON error. */
    String error(String field) {
        return (String) ((Map<?, ?>) json().get("error")).get(field);
    }
}
