// mcp-remote as its users have it: a program that an MCP client starts and speaks to over stdio. MODE is the era of that client.
// See README.md for the settings.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import { allTools, freePort, negotiation, revoke, run, settings, textOf } from './session.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { version } = createRequire(import.meta.url)('./node_modules/mcp-remote/package.json');

/** What mcp-remote has stored of this kind, or undefined. */
async function stored(folder, kind) {
    const files = await readdir(folder, { recursive: true });
    const name = files.find(file => file.endsWith(`_${kind}.json`));
    return name && JSON.parse(await readFile(join(folder, name), 'utf8'));
}

await run('mcp-remote', async () => {
    const { endpoint, tool, args, mode, refresh } = settings();
    const folder = await mkdtemp(join(tmpdir(), 'mcp-remote-'));
    const proxy = join(here, 'node_modules/mcp-remote/dist/proxy.js');
    const document = process.env.CIMD_URL ? ['--client-metadata-url', process.env.CIMD_URL] : [];
    const transport = new StdioClientTransport({
        command: process.execPath,
        args: [proxy, endpoint.href, String(await freePort()), '--allow-http', '--auth-timeout', '100', ...document],
        env: { ...process.env, MCP_REMOTE_CONFIG_DIR: folder },
        stderr: process.env.TRACE ? 'inherit' : 'ignore'
    });
    const client = new Client({ name: 'mcp-remote test', version: '1.0.0' }, negotiation(mode));
    try {
        // It logs in before it answers.
        await client.connect(transport, { timeout: 110_000 });
        const tools = await allTools(client);
        const callText = textOf(await client.callTool({ name: tool, arguments: args }));
        const tokens = await stored(folder, 'tokens');
        const report = {
            client: 'mcp-remote',
            version,
            era: client.getProtocolEra(),
            protocolVersion: client.getNegotiatedProtocolVersion(),
            scope: tokens.scope,
            tools: tools.length,
            toolNames: tools,
            callText
        };
        if (refresh) {
            await revoke(endpoint, tokens.access_token, (await stored(folder, 'client_info'))?.client_id ?? process.env.CIMD_URL);
            report.callTextAfterRefresh = textOf(await client.callTool({ name: tool, arguments: args }));
            report.refreshed = (await stored(folder, 'tokens')).access_token !== tokens.access_token;
        }
        return report;
    } finally {
        await client.close();
        await rm(folder, { recursive: true, force: true });
    }
});
