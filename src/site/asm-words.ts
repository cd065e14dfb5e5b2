/** Words of assembly, as sources of regular expressions: the pages' highlighter and the editor both use them. */
export const registers = '(?:[re]?(?:ax|bx|cx|dx|si|di|bp|sp|ip)|[abcd][hl]|(?:si|di|bp|sp)l|r(?:8|9|1[0-5])[dwb]?'
  + '|[cdefgs]s|st(?:\\(\\d\\)|\\d)?|[xyz]?mm\\d+|[cd]r\\d+|k[0-7]|r?flags)';

export const directives = '(?:d[bwdqt]|res[bwdqt]|align|equ|org|bits|times|\\.\\w+|byte|[dqtxyz]?word|oword|ptr|short'
  + '|near|far)';

export const label = '[A-Za-z_.$][\\w.$]*:';
export const number = '(?:0x[\\da-f]+|\\d[\\da-f]*h\\b|\\d[\\d.]*(?:e[+-]?\\d+)?)';

/** Tags whose template is assembly in Intel syntax. */
export const tags = '\\b(?:asm16|asm32|asm64|asm|run)';
