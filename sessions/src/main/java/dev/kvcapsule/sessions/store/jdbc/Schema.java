package dev.kvcapsule.sessions.store.jdbc;

import dev.kvcapsule.engine.MalformedDataException;
import java.io.IOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Set;
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

    /** What H2 says in a database with other tables, with others that are named alike, and without any; PostgreSQL. */
    private static final Set<String> NO_TABLE = Set.of("42S02", "42S03", "42S04", "42P01");

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

    /** One query, and not the driver's metadata, which costs a command ten times as much. @return 0 if there is nothing yet */
    private static int version(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement();
                ResultSet newest = statement.executeQuery("SELECT MAX(CAST(\"version\" AS INTEGER)) FROM \"flyway_schema_history\" WHERE \"success\" = TRUE")) {
            return newest.next() ? newest.getInt(1) : 0;
        } catch (SQLException e) {
            if (NO_TABLE.contains(e.getSQLState())) {
                return 0;
            }
            throw e;
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
