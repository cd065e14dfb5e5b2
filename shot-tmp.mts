import { chromium } from 'playwright-core';
import { createServer } from 'node:http';
import { readFileSync, existsSync, statSync } from 'node:fs';
const types: Record<string,string> = { html:'text/html', js:'text/javascript', css:'text/css', woff2:'font/woff2', svg:'image/svg+xml', json:'application/json', wasm:'application/wasm' };
const server = createServer((q,r)=>{ let p='dist'+decodeURIComponent(q.url!.split('?')[0]!); if(existsSync(p)&&statSync(p).isDirectory()) p+='/index.html'; if(!existsSync(p)){r.statusCode=404;r.end();return;} r.setHeader('content-type',types[p.split('.').pop()!]??'application/octet-stream'); r.end(readFileSync(p)); }).listen(47213);
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args:['--no-sandbox'] });
for (const [w, scheme] of [[1360,'light'],[390,'dark']] as const) {
  const page = await browser.newPage({ viewport: { width: w, height: 1000 }, colorScheme: scheme });
  page.on('pageerror', e=>console.log('pageerror', e.message));
  await page.goto('http://localhost:47213/hazards/hidden-segment-state/');
  await page.waitForTimeout(800);
  const h = await page.evaluate(()=>document.documentElement.scrollHeight);
  const sw = await page.evaluate(()=>document.documentElement.scrollWidth);
  console.log(w, scheme, h, sw);
  const n = Math.ceil(h/2400);
  await page.setViewportSize({width:w,height:2400});
  for (let k=0;k<n;k++){ await page.evaluate(y=>window.scrollTo(0,y), k*2400); await page.waitForTimeout(150); await page.screenshot({path:`/tmp/segments-work/s-${w}-${k}.png`}); }
  await page.close();
}
await browser.close(); server.close();
