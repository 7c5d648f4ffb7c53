/**
 * The fidelity report: ratio against damage of many codecs on real caches, measured ({@link dev.kvcapsule.serving.report.FidelityMeter}), and shown as one
 * HTML page ({@link dev.kvcapsule.serving.report.ReportPage}). It is here, and not with the benchmarks, so that the command can make it: nothing
 * uses the benchmarks, and they may use this.
 */
package dev.kvcapsule.serving.report;
