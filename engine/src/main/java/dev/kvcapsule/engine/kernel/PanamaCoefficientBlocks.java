package dev.kvcapsule.engine.kernel;

import static dev.kvcapsule.engine.kernel.CoefficientKernel.BUCKETS_BITS;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.BUCKET_BITS;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.DECAY;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.ENERGIES;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.FIRST_SCALE;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.HALF_OCTAVE;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.OWN_WEIGHT;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.PROBABILITY_BITS;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.SCALES;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.SECOND_ROW;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.STRIPES;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.SYMBOL_BITS;
import static dev.kvcapsule.engine.kernel.CoefficientKernel.SYMBOL_EXPONENT;
import static jdk.incubator.vector.VectorOperators.ABS;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.GE;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LSHR;
import static jdk.incubator.vector.VectorOperators.OR;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorSpecies;

/** {@link CoefficientBlocks} on vectors of the width in {@link VectorWidth}; what does not fill a vector is left to plain loops. */
final class PanamaCoefficientBlocks implements CoefficientBlocks {
    private static final VectorSpecies<Integer> INTS = VectorWidth.INT;
    private static final VectorSpecies<Float> FLOATS = VectorWidth.FLOAT;
    private static final int WIDTH = INTS.length();

    @Override
    public int contexts(float[] prior, float[] expected, float[] last, float[] beforeLast, int first, int count, float rowScale, float seen, float usual,
            int[] contexts, int[] lowBits) {
        IntVector any = IntVector.zero(INTS);
        int i = 0;
        for (; i + WIDTH <= count; i += WIDTH) {
            int k = first + i;
            FloatVector e = FloatVector.fromArray(FLOATS, expected, k);
            IntVector num = FloatVector.fromArray(FLOATS, last, k).add(seen).add(FloatVector.fromArray(FLOATS, beforeLast, k).mul(SECOND_ROW)).add(e.mul(OWN_WEIGHT))
                    .reinterpretAsInts();
            IntVector den = e.mul(1 + SECOND_ROW + OWN_WEIGHT).add(usual).reinterpretAsInts();
            IntVector energy = num.sub(den).add(1 << HALF_OCTAVE - 1).lanewise(ASHR, HALF_OCTAVE).add(ENERGIES / 2).max(0).min(ENERGIES - 1);
            IntVector low = FloatVector.fromArray(FLOATS, prior, k).mul(rowScale).reinterpretAsInts().lanewise(LSHR, 23).sub(SYMBOL_EXPONENT).max(0);
            IntVector scale = e.mul(rowScale).reinterpretAsInts().lanewise(LSHR, HALF_OCTAVE).sub(low.lanewise(LSHL, 1)).sub(FIRST_SCALE).max(0).min(SCALES - 1);
            any = any.or(low);
            low.intoArray(lowBits, i);
            scale.mul(ENERGIES).add(energy).intoArray(contexts, i);
        }
        return any.reduceLanes(OR)
                | ScalarCoefficientBlocks.contexts(prior, expected, last, beforeLast, first, i, count, rowScale, seen, usual, contexts, lowBits);
    }

    @Override
    public void learn(int[] values, float perUnit, int first, int count, float[] expected, float[] past, float[] last, float[] beforeLast, float[] sums) {
        float[] capped = new float[STRIPES];
        float[] usual = new float[STRIPES];
        int whole = count - count % STRIPES;
        for (int stripe = 0; stripe < STRIPES; stripe += WIDTH) {
            FloatVector cappedSum = FloatVector.zero(FLOATS);
            FloatVector usualSum = FloatVector.zero(FLOATS);
            for (int i = stripe; i < whole; i += STRIPES) {
                int k = first + i;
                FloatVector magnitude = ((FloatVector) IntVector.fromArray(INTS, values, i).lanewise(ABS).convertShape(I2F, FLOATS, 0)).mul(perUnit);
                FloatVector e = FloatVector.fromArray(FLOATS, expected, k);
                cappedSum = cappedSum.add(magnitude.min(e.mul(4).add(2 * perUnit)));
                usualSum = usualSum.add(e);
                FloatVector.fromArray(FLOATS, past, k).mul(DECAY).add(magnitude).intoArray(past, k);
                FloatVector.fromArray(FLOATS, last, k).intoArray(beforeLast, k);
                magnitude.intoArray(last, k);
            }
            cappedSum.intoArray(capped, stripe);
            usualSum.intoArray(usual, stripe);
        }
        ScalarCoefficientBlocks.learn(values, perUnit, first, whole, count, expected, past, last, beforeLast, capped, usual);
        sums[0] = ScalarCoefficientBlocks.pairs(capped);
        sums[1] = ScalarCoefficientBlocks.pairs(usual);
    }

    @Override
    public int decode(int[] states, int[] words, int next, int[] starts, int[] entries, int[] contexts, int count, int[] symbols) {
        int[] index = new int[WIDTH];
        int i = 0;
        for (; i + WIDTH <= count; i += WIDTH) {
            IntVector x = IntVector.fromArray(INTS, states, i);
            IntVector slot = x.and((1 << PROBABILITY_BITS) - 1);
            IntVector.fromArray(INTS, contexts, i).lanewise(LSHL, BUCKETS_BITS).add(slot.lanewise(LSHR, BUCKET_BITS)).intoArray(index, 0);
            IntVector at = IntVector.fromArray(INTS, starts, 0, index, 0);
            at.intoArray(index, 0);
            IntVector entry = IntVector.fromArray(INTS, entries, 0, index, 0);
            IntVector within = slot.sub(entry.and(0xFFFF));
            VectorMask<Integer> further = within.compare(GE, entry.lanewise(LSHR, 16));
            while (further.anyTrue()) {
                at = at.add(1, further);
                at.intoArray(index, 0);
                entry = IntVector.fromArray(INTS, entries, 0, index, 0);
                within = slot.sub(entry.and(0xFFFF));
                further = within.compare(GE, entry.lanewise(LSHR, 16));
            }
            at.and((1 << SYMBOL_BITS) - 1).intoArray(symbols, i);
            x = entry.lanewise(LSHR, 16).mul(x.lanewise(LSHR, PROBABILITY_BITS)).add(within);
            VectorMask<Integer> low = x.lanewise(LSHR, 16).eq(0);
            x.lanewise(LSHL, 16, low).or(IntVector.fromArray(INTS, words, next).expand(low)).intoArray(states, i);
            next += low.trueCount();
        }
        return ScalarCoefficientBlocks.decode(states, words, next, starts, entries, contexts, i, count, symbols);
    }
}
