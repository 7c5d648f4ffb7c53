package dev.kvcapsule.sessions.store.jdbc;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import javax.sql.DataSource;
import org.flywaydb.core.Flyway;
import org.flywaydb.core.api.FlywayException;

/**
 * The tables, by Flyway's migrations: each adds to what is there, and can be run twice. One query tells whether there is any to run, so that a command that finds all of them does
 * not even load Flyway. A database that a newer program has migrated is refused.
 */
final class Schema {
    /** The newest migration. */
    static final int VERSION = 4;

    private static final String MIGRATIONS = "classpath:dev/kvcapsule/sessions/store/jdbc/migration";

    private Schema() {}

    /** Brings the tables up to date. */
    static void update(Connection connection, DataSource source) throws SQLException, IOException {
        int version = version(connection);
        if (version > VERSION) {
            throw new MalformedDataException("the session database has schema " + version + ", this program knows " + VERSION + ": a newer one wrote it");
        }
        if (version < VERSION) {
            migrate(source);
        }
    }

    /** @return 0 if there is nothing yet */
    private static int version(Connection connection) throws SQLException {
        try (ResultSet tables = connection.getMetaData().getTables(null, null, "flyway_schema_history", null)) {
            if (!tables.next()) {
                return 0;
            }
        }
        try (Statement statement = connection.createStatement();
                ResultSet newest = statement.executeQuery("SELECT MAX(CAST(\"version\" AS INTEGER)) FROM \"flyway_schema_history\" WHERE \"success\" = TRUE")) {
            return newest.next() ? newest.getInt(1) : 0;
        }
    }

    private static void migrate(DataSource source) throws IOException {
        try {
            Flyway.configure(Schema.class.getClassLoader()).dataSource(source).locations(MIGRATIONS).baselineOnMigrate(true).baselineVersion("0").load().migrate();
        } catch (FlywayException e) {
            throw new IOException("the tables of the session database cannot be made: " + MalformedDataException.oneLine(String.valueOf(e.getMessage())), e);
        }
    }
}
