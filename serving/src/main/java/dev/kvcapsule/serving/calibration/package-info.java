/** What calibration needs of a model: states of texts it has read, and how much errors in them harm. */
package dev.kvcapsule.serving.calibration;
