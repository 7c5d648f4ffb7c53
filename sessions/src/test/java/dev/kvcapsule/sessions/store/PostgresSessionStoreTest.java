package dev.kvcapsule.sessions.store;

import dev.kvcapsule.sessions.store.jdbc.SessionDatabase;
import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

class PostgresSessionStoreTest extends DatabaseContract {
    private String address;
    private SessionDatabase database;

    @BeforeEach
    void open() throws Exception {
        address = PostgresServer.newDatabase();
        database = SessionDatabase.postgres(address);
    }

    @Override
    void reopen() throws Exception {
        database = SessionDatabase.postgres(address);
    }

    @AfterEach
    void close() {
        if (database != null) {
            database.close();
        }
    }

    @Override
    SessionDatabase database() {
        return database;
    }

    @Override
    String address() {
        return address;
    }

    @Override
    SessionDatabase another() throws IOException {
        return SessionDatabase.postgres(address);
    }
}
