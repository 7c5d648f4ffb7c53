package dev.kvcapsule.sessions.store;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Assumptions;

/** A real PostgreSQL server for the tests of this JVM, from {@code scripts/postgres.sh}; tests are skipped, with the reason, where it cannot be had. */
public final class PostgresServer {
    private static final int UNAVAILABLE = 69;
    private static final AtomicInteger DATABASES = new AtomicInteger();

    private static String address;
    private static String reason;

    private PostgresServer() {}

    /** A new, empty database. @return its address */
    public static synchronized String newDatabase() throws IOException, InterruptedException {
        if (address == null && reason == null) {
            start();
        }
        Assumptions.assumeTrue(address != null, reason);
        String name = "test" + DATABASES.incrementAndGet();
        try (Connection connection = DriverManager.getConnection(address); Statement statement = connection.createStatement()) {
            statement.execute("CREATE DATABASE " + name);
        } catch (SQLException e) {
            throw new IOException(e);
        }
        return address.replace("/postgres?", "/" + name + "?");
    }

    private static void start() throws IOException, InterruptedException {
        Path root = Path.of("").toAbsolutePath();
        while (!Files.exists(root.resolve("scripts/postgres.sh"))) {
            root = root.getParent();
        }
        Path err = Files.createTempFile("kvcapsule-postgres", ".err");
        // It ends with its standard input, so with this JVM, however that ends.
        Process script = new ProcessBuilder("bash", root.resolve("scripts/postgres.sh").toString()).redirectError(err.toFile()).start();
        address = new BufferedReader(new InputStreamReader(script.getInputStream(), StandardCharsets.UTF_8)).readLine();
        if (address == null) {
            if (!script.waitFor(1, TimeUnit.MINUTES) || script.exitValue() != UNAVAILABLE) {
                throw new AssertionError(Files.readString(err));
            }
            reason = Files.readString(err).lines().reduce("no reason given", (a, b) -> b);
            System.out.println("tests with a real PostgreSQL skipped: " + reason);
        }
        Files.delete(err);
    }
}
