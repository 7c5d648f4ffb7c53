package dev.kvcapsule.serving.llamacpp.runtime;

import dev.kvcapsule.engine.MalformedDataException;
import dev.kvcapsule.serving.ModelFacts;
import dev.kvcapsule.serving.files.InputFile;
import dev.kvcapsule.serving.llamacpp.GgufHeader;
import dev.kvcapsule.serving.llamacpp.GgufModel;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.OptionalLong;

/**
 * How much of an error of a value reaches the layer's output: Wo'Wo, where Wo is the slice of the output projection
 * ({@code blk.<layer>.attn_output.weight}) behind one query head, summed over the query heads that read the KV head. For an error e of a value
 * row, e'Me is the squared length of what it adds to the residual stream at attention 1, with the errors of the group's heads taken as
 * independent.
 *
 * @param moments [layer][KV head][d x d], symmetric, row by row; layers without a value cache have no heads. Not copied
 */
public record OutputMoments(double[][][] moments) {

    /**
     * Reads a model's output projections; libllama is not needed.
     *
     * @param gguf the model file: F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, Q4_K, Q5_K or Q6_K weights
     * @throws MalformedDataException if a projection is missing, or not as wide as the layer's heads
     * @throws UnsupportedOperationException if a projection is of another type
     */
    public static OutputMoments of(Path gguf) throws IOException {
        try (InputFile input = InputFile.open(gguf)) {
            return of(input.bytes());
        }
    }

    /**
     * The same for a file in memory.
     *
     * @param gguf the whole file, native memory
     */
    public static OutputMoments of(MemorySegment gguf) throws MalformedDataException {
        GgufHeader header = GgufHeader.read(gguf);
        ModelFacts facts = GgufModel.facts(gguf, OptionalLong.empty());
        double[][][] moments = new double[facts.layers().size()][][];
        for (int layer = 0; layer < moments.length; layer++) {
            ModelFacts.Layer known = facts.layers().get(layer);
            boolean values = known.attention() && known.kvHeads() > 0 && known.valueHeadDim() > 0;
            moments[layer] = values ? layer(gguf, header, layer, known) : new double[0][];
        }
        return new OutputMoments(moments);
    }

    private static double[][] layer(MemorySegment gguf, GgufHeader header, int layer, ModelFacts.Layer known) throws MalformedDataException {
        String name = "blk." + layer + ".attn_output.weight";
        WeightTensor weights = WeightTensor.of(gguf, header, name).orElseThrow(() -> new MalformedDataException("tensor " + name + " is missing"));
        int dim = known.valueHeadDim();
        int kvWidth = Math.multiplyExact(dim, known.kvHeads());
        if (weights.columns() % kvWidth != 0) {
            throw new MalformedDataException("tensor " + name + " has " + weights.columns() + " inputs, not a multiple of " + known.kvHeads()
                    + " KV heads of " + dim + " channels");
        }
        SecondMoment[] sums = new SecondMoment[known.kvHeads()];
        for (int head = 0; head < sums.length; head++) {
            sums[head] = new SecondMoment(dim);
        }
        int group = weights.columns() / kvWidth;
        float[] row = new float[weights.columns()];
        for (int r = 0; r < weights.rows(); r++) {
            weights.row(r, row);
            for (int query = 0; query < group * sums.length; query++) {
                SecondMoment sum = sums[query / group];
                double[] vector = sum.next();
                for (int c = 0; c < dim; c++) {
                    vector[c] = row[query * dim + c];
                }
                sum.advance();
            }
        }
        double[][] matrices = new double[sums.length][];
        for (int head = 0; head < sums.length; head++) {
            matrices[head] = sums[head].matrix();
        }
        return matrices;
    }
}
