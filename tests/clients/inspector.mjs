// The MCP Inspector's command line: a process per step, the login kept in its store. MODE is the era. See README.md.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort, revoke, run, settings, textOf } from './session.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, 'node_modules/@modelcontextprotocol/inspector');
const { version } = createRequire(import.meta.url)(join(folder, 'package.json'));

/** The command line of one run, with a store of its own. */
class Inspector {
    constructor(endpoint, era, store, port) {
        this.fixed = ['--cli', '--server-url', endpoint.href, '--transport', 'http', '--protocol-era', era];
        this.fixed.push('--format', 'json', '--quiet');
        if (process.env.CIMD_URL) this.fixed.push('--client-metadata-url', process.env.CIMD_URL);
        this.store = store;
        this.env = {
            ...process.env,
            MCP_AUTO_OPEN_ENABLED: 'true',
            MCP_INSPECTOR_SECRET_STORE: 'file',
            MCP_OAUTH_CALLBACK_URL: `http://127.0.0.1:${port}/oauth/callback`,
            MCP_STORAGE_DIR: store
        };
    }

    async run(...more) {
        const launcher = join(folder, 'clients/launcher/build/index.js');
        const options = { env: this.env, timeout: 110_000, maxBuffer: 1 << 26 };
        const { stdout } = await promisify(execFile)(process.execPath, [launcher, ...this.fixed, ...more], options);
        return JSON.parse(stdout).result;
    }

    async tokens() {
        const { secrets } = JSON.parse(await readFile(join(this.store, 'secrets.json'), 'utf8'));
        return JSON.parse(Object.values(secrets).find(secret => secret.includes('access_token')));
    }

    async clientId() {
        const { servers } = JSON.parse(await readFile(join(this.store, 'oauth.json'), 'utf8'));
        const [registered] = Object.values(Object.values(servers)[0].byIssuer ?? {});
        return registered?.clientInformation?.client_id ?? process.env.CIMD_URL;
    }
}

await run('inspector', async () => {
    const { endpoint, tool, args, mode, refresh } = settings();
    const store = await mkdtemp(join(tmpdir(), 'inspector-'));
    const era = mode === 'legacy' || mode === 'auto' ? mode : 'modern';
    try {
        const inspector = new Inspector(endpoint, era, store, await freePort());
        const listed = await inspector.run('--method', 'tools/list');
        const call = ['--stored-auth-only', '--method', 'tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args)];
        const called = await inspector.run(...call);
        const tokens = await inspector.tokens();
        const report = {
            client: '@modelcontextprotocol/inspector',
            version,
            // It tells neither era nor revision.
            scope: tokens.scope,
            tools: listed.tools.length,
            toolNames: listed.tools.map(known => known.name),
            callText: textOf(called)
        };
        if (refresh) {
            await revoke(endpoint, tokens.access_token, await inspector.clientId());
            report.callTextAfterRefresh = textOf(await inspector.run(...call));
            report.refreshed = (await inspector.tokens()).access_token !== tokens.access_token;
        }
        return report;
    } finally {
        await rm(store, { recursive: true, force: true });
    }
});
