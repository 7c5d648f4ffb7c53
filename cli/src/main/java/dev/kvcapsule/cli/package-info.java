/** The {@code capsule} command: options, progress, messages and exit codes over the library. One class a command. */
package dev.kvcapsule.cli;
