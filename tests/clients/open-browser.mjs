// What BROWSER names for clients that open one themselves: the person logs in, and the last redirect reaches the client's
// own listener. See README.md for the settings.
import { setTimeout } from 'node:timers/promises';
import { login } from './browser.mjs';

const address = process.argv.slice(2).findLast(argument => /^https?:/.test(argument));
const { FORGEJO_USER: user, FORGEJO_PASSWORD: password, ACCESS: access } = process.env;

/** Some clients open the browser first and listen then: nobody but a program is so quick that it matters. */
async function reach(url) {
    for (let attempts = 100; ; attempts--) {
        try {
            return await (await fetch(url)).text();
        } catch (error) {
            if (error.cause?.code !== 'ECONNREFUSED' || attempts === 0) throw error;
            await setTimeout(100);
        }
    }
}

try {
    await reach(await login(address, new URL(address).searchParams.get('redirect_uri'), { user, password, access }));
} catch (error) {
    console.error(`browser: ${error.message}`);
    process.exit(1);
}
