package dev.kvcapsule.bench;

import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;

/** How much a benchmark method has done; JMH reports it a second beside its own figure. */
@State(Scope.Thread)
@AuxCounters(AuxCounters.Type.OPERATIONS)
public class Amount {
    /** Bytes of the side that is not coded: 16-bit floats, or symbols of one byte each. */
    public long bytes;

    /** Nothing yet. */
    public Amount() {}
}
