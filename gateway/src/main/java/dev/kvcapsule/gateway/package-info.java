/**
 * The gateway. What clients send to a llama-server passes through, streams included; beside it, under {@code /capsule/v1}, a slot's cache leaves as a sealed capsule and
 * comes back from one. {@link dev.kvcapsule.gateway.Gateway} is the server, {@link dev.kvcapsule.gateway.GatewayOptions} what it takes;
 * {@link dev.kvcapsule.gateway.Credentials} says who may do what.
 */
package dev.kvcapsule.gateway;
