package dev.kvcapsule.engine.linalg;

/**
 * Eigenpairs of a symmetric tridiagonal matrix by the QL method with implicit shifts (J. H. Wilkinson, C. Reinsch, "Handbook for Automatic Computation II",
 * contribution II/4).
 */
final class ImplicitQl {
    /** Iterations for one eigenvalue; two are usual. */
    private static final int MOST_ITERATIONS = 100;
    private static final double EPSILON = 0x1p-52;

    private ImplicitQl() {}

    /**
     * Solves it.
     *
     * @param d       the diagonal; becomes the eigenvalues, in no order
     * @param e       element i stands besides diagonal elements i and i + 1; lost
     * @param vectors rows of an orthogonal matrix; row i becomes eigenvector i, if it was the identity's
     * @return {@code d}
     * @throws ArithmeticException if the iteration does not converge
     */
    static double[] solve(double[] d, double[] e, double[][] vectors) {
        int n = d.length;
        double norm = 0;
        for (int i = 0; i < n; i++) {
            norm = Math.max(norm, Math.abs(d[i]) + Math.abs(e[i]));
        }
        // Rounding leaves as much behind wherever a large element passes: among small elements, it would never get smaller.
        double least = Math.max(EPSILON * norm, Double.MIN_NORMAL);
        for (int l = 0; l < n; l++) {
            for (int iteration = 0;; iteration++) {
                int m = l;
                while (m < n - 1 && Math.abs(e[m]) > EPSILON * (Math.abs(d[m]) + Math.abs(d[m + 1])) && Math.abs(e[m]) >= least) {
                    m++;
                }
                if (m == l) {
                    break;
                }
                if (iteration == MOST_ITERATIONS) {
                    throw new ArithmeticException("eigenvalue " + l + " of " + n + " did not converge");
                }
                sweep(d, e, vectors, l, m);
            }
        }
        return d;
    }

    /** One implicit QL step on elements l to m, with Wilkinson's shift. */
    private static void sweep(double[] d, double[] e, double[][] vectors, int l, int m) {
        double g = (d[l + 1] - d[l]) / (2 * e[l]);
        double r = Math.hypot(g, 1);
        g = d[m] - d[l] + e[l] / (g + Math.copySign(r, g));
        double s = 1;
        double c = 1;
        double p = 0;
        for (int i = m - 1; i >= l; i--) {
            double f = s * e[i];
            double b = c * e[i];
            r = Math.hypot(f, g);
            e[i + 1] = r;
            if (r == 0) {
                // The rotation would divide by zero: the matrix falls apart here, and the next search finds where.
                d[i + 1] -= p;
                e[m] = 0;
                return;
            }
            s = f / r;
            c = g / r;
            g = d[i + 1] - p;
            r = (d[i] - g) * s + 2 * c * b;
            p = s * r;
            d[i + 1] = g + p;
            g = c * r - b;
            rotate(vectors[i], vectors[i + 1], c, s);
        }
        d[l] -= p;
        e[l] = g;
        e[m] = 0;
    }

    private static void rotate(double[] a, double[] b, double c, double s) {
        for (int k = 0; k < a.length; k++) {
            double f = b[k];
            b[k] = s * a[k] + c * f;
            a[k] = c * a[k] - s * f;
        }
    }
}
