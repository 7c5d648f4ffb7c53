package dev.kvcapsule.codecs.klt;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** Work on the groups of layers of a cache, each by one thread: the results do not depend on how many there are. */
final class GroupJobs {
    private GroupJobs() {}

    /**
     * @return what each job gave, in the order of the jobs
     * @throws IOException if the thread that waits is interrupted
     */
    static <T> List<T> run(int threads, List<Callable<T>> jobs) throws IOException {
        List<T> results = new ArrayList<>();
        try (ExecutorService executor = Executors.newFixedThreadPool(threads)) {
            for (Future<T> future : executor.invokeAll(jobs)) {
                results.add(future.get());
            }
            return results;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof Error error) {
                throw error;
            }
            throw e.getCause() instanceof RuntimeException cause ? cause : new IllegalStateException(e.getCause());
        }
    }
}
