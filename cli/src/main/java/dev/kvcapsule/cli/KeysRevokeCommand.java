package dev.kvcapsule.cli;

import dev.kvcapsule.engine.keys.KeyFolder;
import java.io.IOException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** No more of it. */
@Command(name = "revoke", mixinStandardHelpOptions = true, sortOptions = false, description = "Revokes a signing key, a capsule, or an epoch of a tenant, for good.")
final class KeysRevokeCommand implements Callable<Integer> {
    @Parameters(paramLabel = "KID", arity = "0..1", description = "A signing key: everything that it signed is refused.")
    private String kid;

    @Option(names = "--capsule", paramLabel = "ID", description = "A capsule, by the id that 'capsule inspect' shows.")
    private String capsule;

    @Option(names = "--tenant", paramLabel = "TENANT", description = "With --epoch: everything that the tenant's key of that epoch wrapped.")
    private String tenant;

    @Option(names = "--epoch", paramLabel = "N", description = "The epoch.")
    private Long epoch;

    @Option(names = "--destroy", description = "Destroy the tenant's key, too: what it wrapped is erased, wherever it is.")
    private boolean destroy;

    @Mixin
    private KeyOptions keys;

    @Mixin
    private KeysOutput output;

    @Override
    public Integer call() throws IOException {
        int chosen = (kid == null ? 0 : 1) + (capsule == null ? 0 : 1) + (tenant == null ? 0 : 1);
        if (chosen != 1 || (tenant == null) != (epoch == null) || destroy && tenant == null) {
            throw new Failures.UsageException("what is to be revoked? Give one of KID, --capsule ID, --tenant TENANT --epoch N [--destroy]");
        }
        KeyFolder folder = keys.open();
        Map<String, Object> revoked = new LinkedHashMap<>();
        if (kid != null) {
            folder.lifecycle().revokeKey(kid);
            revoked.put("kid", kid);
        } else if (capsule != null) {
            folder.lifecycle().revokeCapsule(id());
            revoked.put("capsule", capsule);
        } else {
            folder.lifecycle().revokeEpoch(tenant, epoch, destroy);
            revoked.put("tenant", tenant);
            revoked.put("epoch", epoch);
            revoked.put("destroyed", destroy);
        }
        output.print(folder, "revoked", List.of(revoked));
        return ExitCode.DONE;
    }

    private byte[] id() {
        try {
            return HexFormat.of().parseHex(capsule);
        } catch (IllegalArgumentException e) {
            throw new Failures.UsageException("--capsule " + capsule + " is not a capsule's id, which has 32 hexadecimal digits");
        }
    }
}
