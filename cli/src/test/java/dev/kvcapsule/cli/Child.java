package dev.kvcapsule.cli;

import java.io.IOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** A process of its own, which can be killed without being asked; what it prints goes to files. */
final class Child implements AutoCloseable {
    private final Process process;
    private final Path out;
    private final Path err;

    private Child(Process process, Path out, Path err) {
        this.process = process;
        this.out = out;
        this.err = err;
    }

    static Child start(Path folder, String name, Map<String, String> environment, List<?> command) throws IOException {
        return start(folder, name, environment, ProcessBuilder.Redirect.PIPE, command);
    }

    private static Child start(Path folder, String name, Map<String, String> environment, ProcessBuilder.Redirect input, List<?> command) throws IOException {
        Path out = Files.createTempFile(folder, name, ".out");
        Path err = Files.createTempFile(folder, name, ".err");
        ProcessBuilder builder = new ProcessBuilder(command.stream().map(Object::toString).toList());
        builder.redirectInput(input).redirectOutput(out.toFile()).redirectError(err.toFile());
        builder.environment().putAll(environment);
        return new Child(builder.start(), out, err);
    }

    /** The command itself, with a heap of that many megabytes. */
    static Child capsule(Path folder, Path home, int megabytes, Object... args) throws IOException {
        return fed(folder, home, megabytes, ProcessBuilder.Redirect.PIPE, args);
    }

    /** The same with something on standard input. */
    static Child fed(Path folder, Path home, int megabytes, ProcessBuilder.Redirect input, Object... args) throws IOException {
        List<Object> command = new ArrayList<>(List.of(Path.of(System.getProperty("java.home"), "bin", "java"), "-Xmx" + megabytes + "m", "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1", "--enable-native-access=ALL-UNNAMED", "--add-opens=java.base/jdk.internal.misc=ALL-UNNAMED",
                "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED", "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED", "--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow", "-Dslf4j.internal.verbosity=ERROR", "dev.kvcapsule.cli.Main"));
        command.addAll(List.of(args));
        return start(folder, args[0].toString(), Map.of("CAPSULE_HOME", home.toString(), "CLASSPATH", System.getProperty("java.class.path")), input, command);
    }

    /** A gateway, once it listens. */
    static Child gateway(Path folder, Path home, int megabytes, Object... args) throws Exception {
        List<Object> all = new ArrayList<>(List.of("serve", "--listen", "127.0.0.1:0", "--no-warm-up"));
        all.addAll(List.of(args));
        Child gateway = capsule(folder, home, megabytes, all.toArray());
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (gateway.out().indexOf('\n') < 0) {
            if (!gateway.process.isAlive() || System.nanoTime() > end) {
                throw new AssertionError("the gateway does not start: " + gateway.err());
            }
            Thread.sleep(20);
        }
        return gateway;
    }

    /** Where a gateway listens. */
    URI address() throws IOException {
        return URI.create("http://" + out().lines().findFirst().orElseThrow().replace("listening on ", ""));
    }

    /** A port that nobody listens on just now. */
    static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    /** Waits until something answers with 200 there. */
    void awaitReady(URI health) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
        try (HttpClient client = HttpClient.newHttpClient()) {
            while (true) {
                try {
                    if (client.send(HttpRequest.newBuilder(health).build(), HttpResponse.BodyHandlers.discarding()).statusCode() == 200) {
                        return;
                    }
                } catch (IOException e) {
                    // Not yet.
                }
                if (!process.isAlive() || System.nanoTime() > end) {
                    throw new AssertionError("not ready: " + err());
                }
                Thread.sleep(100);
            }
        }
    }

    String out() throws IOException {
        return Files.readString(out);
    }

    String err() throws IOException {
        return Files.readString(err);
    }

    /** Its exit code. */
    int await() throws InterruptedException {
        if (!process.waitFor(3, TimeUnit.MINUTES)) {
            throw new AssertionError("took more than three minutes");
        }
        return process.exitValue();
    }

    /** Ends it as kill -9 does. */
    void kill() {
        close();
    }

    @Override
    public void close() {
        process.destroyForcibly().onExit().join();
    }
}
