import './scheme.ts';
import './lane-figure.ts';
import './verdict-table.ts';
import './live-block.ts';
import './search-open.ts';
